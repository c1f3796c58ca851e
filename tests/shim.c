/* Makes calls on files below one folder fail, fall short or kill, from the n-th on.

   SHIM_UNDER  the folder; calls on other files are let through and not counted
   SHIM_CALLS  which calls count: open,read,write,fsync,rename,mkdir,flock
   SHIM_AT     from which on, counted from 1; 0 for never
   SHIM_DO     an error number, "short" (a write takes at most one byte) or "kill"
   SHIM_ONCE   only at that call, not from it on
   SHIM_ROOM   bytes that may be written in all; after them the disk is full
   SHIM_NO6    set: the system knows no IPv6
   SHIM_LOG    where each counted call is told, a line each */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static char ours[65536]; /* by descriptor */
static long count, written;

static int below(const char *path) {
    const char *folder = getenv("SHIM_UNDER");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int open_below(int fd) { return fd >= 0 && fd < (int)sizeof ours && ours[fd]; }

static void tell(const char *call, const char *path) {
    const char *log = getenv("SHIM_LOG");
    char line[4352];
    int fd, size;
    if (!log) return;
    fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    size = snprintf(line, sizeof line, "%ld %s %s\n", count, call, path);
    syscall(SYS_write, fd, line, size);
    syscall(SYS_close, fd);
}

/* What becomes of this call: 0, let it through; -1, fall short; else an error number. */
static int fate(const char *call, const char *path) {
    const char *calls = getenv("SHIM_CALLS"), *at = getenv("SHIM_AT"), *what = getenv("SHIM_DO");
    const char *found = calls ? strstr(calls, call) : NULL;
    long n = at ? atol(at) : 0;
    if (!found) return 0;
    count++;
    tell(call, path);
    if (!n || !what || count < n || (getenv("SHIM_ONCE") && count > n)) return 0;
    if (!strcmp(what, "kill")) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    return strcmp(what, "short") ? atoi(what) : -1;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define REFUSED(call, path) \
    { \
        int no = fate(call, path); \
        if (no > 0) { \
            errno = no; \
            return -1; \
        } \
    }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        int mode, fd; \
        va_start(rest, flags); \
        mode = va_arg(rest, int); \
        va_end(rest); \
        if (!below(path)) return real(path, flags, mode); \
        REFUSED("open", path); \
        fd = real(path, flags, mode); \
        if (fd >= 0 && fd < (int)sizeof ours) ours[fd] = 1; \
        return fd; \
    }

OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(close);
    if (fd >= 0 && fd < (int)sizeof ours) ours[fd] = 0;
    return real(fd);
}

ssize_t read(int fd, void *into, size_t size) {
    REAL(read);
    if (open_below(fd)) REFUSED("read", "");
    return real(fd, into, size);
}

ssize_t write(int fd, const void *from, size_t size) {
    REAL(write);
    if (open_below(fd)) {
        const char *room = getenv("SHIM_ROOM");
        int no = fate("write", "");
        if (room && written >= atol(room)) no = ENOSPC;
        if (no > 0) {
            errno = no;
            return -1;
        }
        if (no < 0 && size > 1) size = 1;
        if (room && (long)size > atol(room) - written) size = atol(room) - written;
        written += size;
    }
    return real(fd, from, size);
}

int fsync(int fd) {
    REAL(fsync);
    if (open_below(fd)) REFUSED("fsync", "");
    return real(fd);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    if (below(from)) REFUSED("rename", from);
    return real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    if (below(path)) REFUSED("mkdir", path);
    return real(path, mode);
}

int flock(int fd, int operation) {
    REAL(flock);
    if (open_below(fd)) REFUSED("flock", "");
    return real(fd, operation);
}

int socket(int domain, int type, int protocol) {
    REAL(socket);
    if (domain == AF_INET6 && getenv("SHIM_NO6")) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return real(domain, type, protocol);
}
