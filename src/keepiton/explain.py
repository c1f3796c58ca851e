"""What each code means, in plain words: failures, reasons, verdicts on the own line, findings.

Pure. Every text says what was seen, what commonly causes it, and what it does not prove; none
says who did it, or why. Tests hold the texts against the failure table and the model.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from keepiton.probe.failures import (
    BAD_CERTIFICATE,
    BAD_ENCODING,
    BAD_LOCATION,
    BAD_REPLY,
    BOGON,
    CNAME_LOOP,
    DNS_TRUNCATED,
    EOF,
    LAME,
    MISBEHAVING,
    NOT_HTTP,
    NOT_TLS,
    OTHER_SCHEME,
    QUIC_TOO_LARGE,
    TABLE,
    TIMEOUT,
    TLS_TOO_LARGE,
    TOO_LARGE,
    TOO_MANY_REDIRECTS,
    UNEXPECTED_BODY,
    UNEXPECTED_STATUS,
)

WIDTH = 80
UNKNOWN = "unknown_failure"
"""How a failure begins that has no name of OONI's, and the code of those that have no text."""
_PREFIX = f"{UNKNOWN}: "
SHORT_CODE = 27
"""Columns of a code that has its meaning on the same line."""


@dataclass(frozen=True, slots=True)
class Text:
    """One code in plain words."""

    short: str
    """A line of the list."""
    means: str
    causes: str
    not_proof: str


def _local(short: str, means: str, causes: str) -> Text:
    return Text(
        short,
        f"{means} It happened on this machine: the row is inconclusive and counts neither for nor"
        " against the target.",
        causes,
        "Anything about the target or the network.",
    )


def _mistake(short: str, means: str) -> Text:
    return _local(short, means, "A mistake in keepiton or in a library under it; please report it.")


def _alert(short: str, means: str) -> Text:
    return Text(
        short,
        f"{means} It was said in a TLS alert, a message that ends the connection.",
        "A server that is set up in another way than this client, an old or faulty server, or a"
        " device that answers in the server's place.",
        "Who sent the alert: early in a handshake alerts are not yet protected, and anybody on the"
        " path can write one.",
    )


def _odd(short: str, means: str) -> Text:
    return Text(
        short,
        f"{means} This machine ended the connection because of it.",
        "A faulty or very old server, data damaged on the way, or a device that takes part in the"
        " conversation without speaking proper TLS.",
        "Interference. What a device on the path sends and what a broken server sends can look"
        " alike.",
    )


_SOMEBODY = "Who sent it: a device on the path can write the same answer as the far end."

FAILURES: dict[str, Text] = {
    "dns_nxdomain_error": Text(
        "the resolver says that the name does not exist",
        "The resolver answered that there is no such name (NXDOMAIN).",
        "A name that expired or was misspelt, a resolver that filters, or a resolver that has lost"
        " touch with the rest of the DNS.",
        "That the name does not exist. Compare with another resolver and with the zone's own name"
        " servers.",
    ),
    "dns_no_answer": Text(
        "the name exists, but came without an address",
        "The resolver answered without error and without an address of the kind asked for.",
        "A name that has only IPv4 or only IPv6 addresses, a name without a web server, or a"
        " resolver that leaves the addresses out.",
        "That the site is gone. An empty answer for IPv6 alone is normal.",
    ),
    "dns_servfail_error": Text(
        "the resolver tried and failed (SERVFAIL)",
        "The resolver answered that it could not find out (SERVFAIL).",
        "Name servers of the zone that do not answer, a DNSSEC mistake, or a resolver that is"
        " overloaded or cut off from them.",
        "On which side the fault lies: the resolver's, the zone's, or between the two.",
    ),
    "dns_refused_error": Text(
        "the resolver declined to answer (REFUSED)",
        "The server answered that it will not answer this question (REFUSED).",
        "A resolver that serves only its own customers, a name server asked for a zone it does not"
        " hold, a limit on questions, or a filter.",
        "That the name is filtered: most servers refuse strangers whatever they ask.",
    ),
    MISBEHAVING: Text(
        "the resolver answered with an unusual error",
        "The server answered with an error other than the common ones, with a reply to another"
        " question, or the system's own look-up gave up without saying why.",
        "An old or faulty server, a device that rewrites DNS, or a resolver that did not answer"
        " the system in time.",
        "Which of these it was. Asking a resolver directly (--resolver) tells more.",
    ),
    "dns_temporary_failure": Text(
        "Windows: the look-up failed for now",
        "Windows' own look-up did not get an answer and says that it may later.",
        "No answer from the resolver, SERVFAIL, or a line that is down.",
        "Which of these it was. Asking a resolver directly (--resolver) tells more.",
    ),
    "dns_non_recoverable_failure": Text(
        "Windows: the look-up failed for good",
        "Windows' own look-up failed and says that trying again will not help.",
        "A resolver that refuses or that answers with an unusual error.",
        "Which of these it was. Asking a resolver directly (--resolver) tells more.",
    ),
    "dns_reply_with_wrong_query_id": Text(
        "a DNS reply that carries another id than the question",
        "A reply came whose id is not that of the question, and no fitting one followed.",
        "A late reply to an earlier question, a faulty server, or somebody who guesses at"
        " questions without seeing them.",
        "An attack. Such replies are thrown away, and a single one is common.",
    ),
    "unknown_failure: DNS reply from another address": Text(
        "a DNS reply from somebody who was not asked",
        "A reply came from another address than the question went to.",
        "A server with several addresses, a home router that mixes them up, or a forged reply.",
        "That the reply was forged.",
    ),
    BAD_REPLY: Text(
        "a reply that cannot be read as DNS",
        "Something answered, and its bytes are no DNS message.",
        "Another service on that port, a faulty server, or a device that damages or imitates DNS.",
        _SOMEBODY,
    ),
    DNS_TRUNCATED: Text(
        "the answer was cut short, and TCP did not bring the rest",
        "The answer over UDP was marked as cut short, and asking again over TCP gave no whole one.",
        "A firewall that lets DNS through over UDP alone, or a server without DNS over TCP.",
        "That anything was removed on purpose.",
    ),
    CNAME_LOOP: Text(
        "aliases that lead in a circle",
        "The name is an alias of an alias, and so on, without ever reaching an address.",
        "A mistake in the zone, or in the zone of a provider it points to.",
        "A fault of the network: the same answer is usually seen everywhere.",
    ),
    LAME: Text(
        "a name server that does not know its own zone",
        "A server that is listed for the zone answered that it does not serve it.",
        "A zone that was moved while its parent still names the old server, or an expired one.",
        "A disruption, while other name servers of the zone answer.",
    ),
    BOGON: Text(
        "the name led only to private or reserved addresses",
        "All addresses in the answer are of the kind that no public site can have. None of them"
        " was connected to.",
        "A filter that answers with a made-up address, a resolver meant for an inside network, or"
        " a mistake in the zone.",
        "Interference by itself: some zones really publish such addresses. Compare with another"
        " resolver.",
    ),
    "connection_refused": Text(
        "something answered: nobody listens here",
        "The first packet was answered by a refusal, without delay.",
        "A service that is stopped or moved to another port, or a firewall that rejects instead of"
        " keeping silent.",
        "Who refused: the machine itself, or a device before it that speaks in its name.",
    ),
    "connection_reset": Text(
        "something ended the connection with a TCP reset",
        "Something answered with a TCP reset, which ends a connection at once and without a"
        " farewell.",
        "A server, a firewall, a load balancer or a middlebox can send it: because of a crash, an"
        " overload, a time limit, or something in what was sent.",
        "Who sent it, or why. That it follows one name (SNI or Host) and not another is what tells"
        " a filter from a fault.",
    ),
    "connection_aborted": Text(
        "the system gave the connection up",
        "The connection was open, and this machine's system gave it up.",
        "A change of network, a VPN or a security program on this machine, or lost packets.",
        "Anything about the target: this can happen on one's own side.",
    ),
    EOF: Text(
        "closed politely, but too early",
        "The other side closed the connection in good order before the exchange was complete.",
        "A server or load balancer that is overloaded, restarting, or unwilling to serve this name;"
        " a proxy in between that gave up.",
        "Interference. It differs from a reset: somebody took the time to say goodbye.",
    ),
    TIMEOUT: Text(
        "no answer in the time we wait",
        "Nothing came, or nothing more came, before keepiton's own timer for this stage ended.",
        "A machine that is off, packets that are lost or dropped by a firewall, an overloaded"
        " server, or a very slow line.",
        "That anything was dropped on purpose: silence looks the same whatever its cause.",
    ),
    "timed_out": Text(
        "no answer before the system gave up",
        "The system sent its packets several times, got no answer, and gave up on its own.",
        "A machine that is off, packets that are lost or dropped by a firewall, or a path that"
        " broke while the connection was open.",
        "That anything was dropped on purpose: silence looks the same whatever its cause.",
    ),
    "host_unreachable": Text(
        "the path says: this machine cannot be reached",
        "A router, or this machine's own network, reported that the address cannot be reached.",
        "A machine that is off, a firewall that says so politely (administratively prohibited), or"
        " a broken link near the target or near here.",
        "Where on the path the trouble is.",
    ),
    "network_unreachable": Text(
        "there is no way to this network",
        "A router reported that there is no way to the target's network. With the reason no_route"
        " it was this machine that has none, and nothing was sent.",
        "A withdrawn route, a broken link of an operator, or a machine without IPv6.",
        "That the target is down: others may still have a way to it.",
    ),
    "network_reset": Text(
        "the network dropped the connection",
        "The system reported that the network ended an open connection.",
        "An interface that went down and up again, or a keep-alive that was not answered.",
        "Anything about the target.",
    ),
    "message_size": Text(
        "a packet was too large for the path",
        "The system or a router reported that a packet does not fit.",
        "A tunnel or VPN with a small packet size, and a path that hides that.",
        "Interference: this is a common mistake in setting up tunnels.",
    ),
    "no_protocol_option": Text(
        "the other side does not speak this protocol",
        "An ICMP message said that the protocol (such as TCP) is not spoken there.",
        "A firewall that rejects in this way, or a machine of an unusual kind.",
        _SOMEBODY,
    ),
    "unknown_failure: protocol error": Text(
        "a router found fault with a packet",
        "An ICMP message said that a packet's header has a problem.",
        "A faulty or unusual device on the path.",
        _SOMEBODY,
    ),
    "not_connected": Text(
        "the connection was already gone",
        "The system says that the socket is not, or no longer, connected.",
        "The other side ended the connection just before it was used.",
        "Who ended it.",
    ),
    "network_down": _local(
        "this machine's network interface is down",
        "The system says that the interface is down.",
        "No cable, no Wi-Fi, flight mode, or a network that is just being set up.",
    ),
    "address_not_available": _local(
        "this machine has no address to send from",
        "The system found no source address that fits.",
        "A line that has just gone down, no IPv6, or all local ports in use.",
    ),
    "address_in_use": _local(
        "a local port is taken",
        "The system says that the local address and port are in use.",
        "Very many connections at once on this machine.",
    ),
    "address_family_not_supported": _local(
        "this machine has no IPv4 or no IPv6",
        "The system does not know this kind of address.",
        "IPv6 that is turned off.",
    ),
    "permission_denied": _local(
        "this machine does not permit the connection",
        "The system refused to send.",
        "A firewall or security program on this machine, or missing rights of the process. Over"
        " IPv6 a router's 'administratively prohibited' is shown in the same way.",
    ),
    "invalid_argument": _local(
        "this machine's system rejects the request",
        "The system called the request invalid.",
        "A route on this machine that discards, or an address that cannot be connected to.",
    ),
    "no_buffer_space": _local(
        "this machine has no network buffers left",
        "The system had no room for the packet.",
        "Too much going on on this machine or on its network card.",
    ),
    "unknown_failure: too many open files": _local(
        "too many open files in this process",
        "The process may not open more files or sockets.",
        "A low limit (ulimit -n) on this machine.",
    ),
    "unknown_failure: too many open files in system": _local(
        "too many open files on this machine",
        "The whole machine may not open more files or sockets.",
        "Other programs on this machine.",
    ),
    "unknown_failure: cannot allocate memory": _local(
        "this machine has no memory left",
        "The system had no memory for the connection.",
        "A small machine, or other programs on it.",
    ),
    "connection_already_closed": _mistake(
        "the socket was closed on our own side", "A connection was used after it was closed."
    ),
    "already_connected": _mistake(
        "a second connect on one socket", "A connected socket was asked to connect."
    ),
    "connection_already_in_progress": _mistake(
        "a connect was already under way", "A connecting socket was asked to connect again."
    ),
    "destination_address_required": _mistake(
        "no destination was given", "Something was sent without saying where to."
    ),
    "bad_address": _mistake("a bad pointer", "The system was handed a bad pointer."),
    "bad_file_descriptor": _mistake(
        "a socket that is not open", "The system was handed a closed socket."
    ),
    "not_a_socket": _mistake("not a socket", "The system was handed something else than a socket."),
    "operation_would_block": _mistake(
        "a socket that should have waited", "A socket was used before it was ready."
    ),
    "protocol_not_supported": _local(
        "this machine lacks the protocol",
        "The system does not know the protocol.",
        "An unusual or restricted system.",
    ),
    "wrong_protocol_type": _mistake(
        "the wrong protocol for the socket", "Socket and protocol do not fit."
    ),
    "interrupted": Text(
        "stopped before it was done",
        "The measurement was stopped from here, and is not counted.",
        "Ctrl-C, a signal, or the deadline of the run.",
        "Anything about the target or the network.",
    ),
    "ssl_unknown_authority": Text(
        "nobody known vouches for the certificate",
        "The certificate does not lead to an authority of the bundle that keepiton uses, or was"
        " signed by itself.",
        "A server that sends an incomplete chain, a site that uses a national or company authority,"
        " a device that opens TLS, or a captive portal.",
        "That somebody listens in. The certificate's issuer and fingerprint, stored in the row,"
        " tell more; compare with other vantages.",
    ),
    "ssl_invalid_hostname": Text(
        "the certificate, or the server, is for another name",
        "The certificate does not hold the name that was asked for, or the server said that it does"
        " not know that name.",
        "A site that moved, a shared server that is set up wrongly, a wrong address from DNS, or a"
        " device that answers in the server's place.",
        "That the connection was diverted: wrong names are a common mistake of servers.",
    ),
    BAD_CERTIFICATE: Text(
        "the certificate is expired, not valid yet, or faulty",
        "A known authority vouches for the certificate, and its dates or its permitted use are"
        " wrong; or it cannot be read at all.",
        "A certificate that nobody renewed, or a wrong clock on this machine (then the row says"
        " own_clock).",
        "Interference: forgotten renewals are everyday.",
    ),
    NOT_TLS: Text(
        "something else than TLS answered on a TLS port",
        "Where the secure connection should begin or go on, other bytes came, such as a plain web"
        " page.",
        "A device on the path that answers with a page of its own, a captive portal, or a server"
        " with plain HTTP on the port for HTTPS.",
        "Who answered. A different answer from elsewhere, at the same time, is what shows a device"
        " on the path.",
    ),
    "unknown_failure: tls: server selected unsupported protocol version": Text(
        "the server speaks only an outdated TLS",
        "The server chose a version of TLS that is no longer offered (1.1 or older).",
        "An old server.",
        "Interference.",
    ),
    "unknown_failure: tls: no supported versions satisfy MinVersion and MaxVersion": _local(
        "this machine's own TLS settings allow nothing",
        "The system's policy leaves no version or cipher of TLS to offer.",
        "A strict configuration of OpenSSL on this machine.",
    ),
    "unknown_failure: tls: server chose an unconfigured cipher suite": _odd(
        "the server chose a cipher that was not offered",
        "The server answered with a cipher that this machine had not offered.",
    ),
    "unknown_failure: tls: no secure renegotiation": Text(
        "the server lacks a protection from 2010",
        "The server does not know secure renegotiation (RFC 5746), and this machine insists on it.",
        "An old server. Browsers may still open the site.",
        "That the site is down for others.",
    ),
    "unknown_failure: tls: key too small": Text(
        "the server's key is too short",
        "The server uses a key or a hash that this machine no longer accepts.",
        "An old server. Browsers may still open the site.",
        "That the site is down for others.",
    ),
    "unknown_failure: tls: invalid signature by the server certificate": _odd(
        "the server's signature does not fit",
        "The server could not show that the certificate is its own.",
    ),
    TLS_TOO_LARGE: _odd(
        "the handshake is larger than the limit",
        "The server sent more in its handshake, such as certificates, than is accepted.",
    ),
    "unknown_failure: tls: too many ignored records": _odd(
        "empty TLS messages without end",
        "The server sent one message after the other without getting on.",
    ),
    "unknown_failure: local error: tls: unexpected message": _odd(
        "a TLS message that does not belong here", "A TLS message came that was not due."
    ),
    "unknown_failure: local error: tls: bad record MAC": _odd(
        "TLS data that was changed on the way", "A TLS record came that does not decrypt."
    ),
    "unknown_failure: local error: tls: record overflow": _odd(
        "a TLS record that is too long", "A TLS record came that is longer than allowed."
    ),
    "unknown_failure: local error: tls: error decoding message": _odd(
        "a TLS message that cannot be read", "A TLS message came that breaks its own format."
    ),
    "unknown_failure: local error: tls: illegal parameter": _odd(
        "a TLS value that is not allowed", "A TLS message came with a value that is not allowed."
    ),
    "quic_incompatible_version": Text(
        "QUIC: no version in common",
        "The server answered that it speaks none of the versions of QUIC that were offered.",
        "An old server, or a device that answers in its place.",
        _SOMEBODY,
    ),
    "ssl_failed_handshake": _alert(
        "QUIC: the secure handshake was refused",
        "The server and this machine did not agree on how to talk over QUIC.",
    ),
    QUIC_TOO_LARGE: _odd(
        "QUIC: the handshake is larger than the limit",
        "The server sent more in its handshake than is accepted.",
    ),
    NOT_HTTP: Text(
        "the answer is not proper HTTP",
        "Something answered, and its bytes are not HTTP or break its rules.",
        "Another service on that port, a faulty server, or a device that answers in its place.",
        _SOMEBODY,
    ),
    "unknown_failure: http2: stream reset": Text(
        "HTTP/2: the server ended this request",
        "The server ended the one request and left the connection open.",
        "A server or load balancer that is overloaded, restarting or unwilling.",
        "Interference, where the certificate verified: nobody else can write inside TLS.",
    ),
    "unknown_failure: http2: server sent GOAWAY": Text(
        "HTTP/2: the server ended the connection",
        "The server said, in the protocol's own words, that it takes no requests any more.",
        "A server or load balancer that is overloaded, restarting or unwilling.",
        "Interference, where the certificate verified: nobody else can write inside TLS.",
    ),
    TOO_LARGE: Text(
        "headers without end",
        "The answer went beyond the limit on bytes before its body could be read.",
        "A faulty or hostile server.",
        "That the site is down: it answered.",
    ),
    BAD_ENCODING: Text(
        "the page's compression cannot be undone",
        "The server answered, and the compressed page is damaged.",
        "A faulty server or proxy.",
        "That the site is down: it answered.",
    ),
    BAD_LOCATION: Text(
        "a redirect that leads to no usable host",
        "The server answered with a redirect whose address names no host.",
        "A mistake in the server's configuration, or in a device that rewrites redirects.",
        "That the site is down: it answered.",
    ),
    OTHER_SCHEME: Text(
        "a redirect to something else than the web",
        "The server answered with a redirect to something else than http or https. It was not"
        " followed.",
        "A site meant for an app, or a faulty or hostile server.",
        "That the site is down: it answered.",
    ),
    TOO_MANY_REDIRECTS: Text(
        "redirects without end",
        "The server redirected more often than keepiton follows.",
        "A site that insists on cookies, a mistake in its configuration, or two devices that each"
        " redirect to the other.",
        "That the site is down: it answered each time.",
    ),
    UNEXPECTED_STATUS: Text(
        "another HTTP status than the list expects",
        "The server answered, with another status than the target list names (for DNS over HTTPS:"
        " another than 200).",
        "A changed site, an error of the server, a limit on visitors, or a captive portal.",
        "That the site is out of reach: something answered.",
    ),
    UNEXPECTED_BODY: Text(
        "another page than the list expects",
        "The server answered, with another page than the target list describes.",
        "A changed site, an error page, a captive portal, or a page put in its place.",
        "Who changed the page.",
    ),
    UNKNOWN: Text(
        "a failure without a name of its own; its text follows",
        "Something failed that has no name in OONI's list. What follows the colon is what the"
        " software said, without addresses.",
        "A rare condition; if it comes often, please report it.",
        "Anything by itself. Look at the stage, the state and the reason of the row.",
    ),
}
_REMOTE = f"{_PREFIX}remote error: tls: "
# fmt: off
FAILURES |= {
    f"{_REMOTE}{name}": _alert(short, means)
    for name, short, means in (
        ("unexpected message", "alert: a message that was not due",
         "The other side called a message of ours out of place."),
        ("bad record MAC", "alert: data was changed on the way",
         "The other side could not decrypt what it got."),
        ("decryption failed", "alert: could not decrypt",
         "The other side could not decrypt what it got."),
        ("record overflow", "alert: a record was too long",
         "The other side called a record of ours too long."),
        ("decompression failure", "alert: could not decompress",
         "The other side could not decompress what it got."),
        ("handshake failure", "alert: no agreement on how to talk",
         "The two sides have no setting in common, or the other side will not say more."),
        ("alert(41)", "alert: no certificate (from SSL 3)",
         "The other side has, or got, no certificate."),
        ("bad certificate", "alert: it found a certificate faulty",
         "The other side called a certificate faulty; keepiton sends none."),
        ("unsupported certificate", "alert: it cannot use a certificate",
         "The other side cannot use this kind of certificate; keepiton sends none."),
        ("revoked certificate", "alert: it calls a certificate revoked",
         "The other side called a certificate revoked; keepiton sends none."),
        ("expired certificate", "alert: it calls a certificate expired",
         "The other side called a certificate expired; keepiton sends none."),
        ("unknown certificate", "alert: it does not accept a certificate",
         "The other side did not accept a certificate; keepiton sends none."),
        ("illegal parameter", "alert: a value is not allowed",
         "The other side called a value in our message not allowed."),
        ("unknown certificate authority", "alert: it does not know an authority",
         "The other side does not know a certificate's authority; keepiton sends none."),
        ("access denied", "alert: access denied",
         "The other side understood and declined to go on."),
        ("error decoding message", "alert: it cannot read our message",
         "The other side could not read a message of ours."),
        ("error decrypting message", "alert: a signature or key did not fit",
         "A cryptographic step of the handshake failed on the other side."),
        ("export restriction", "alert: a rule of the 1990s on ciphers",
         "The other side named a restriction on ciphers that is long gone."),
        ("protocol version not supported", "alert: it speaks another version of TLS",
         "The other side speaks none of the versions of TLS that were offered (1.2 and 1.3)."),
        ("insufficient security level", "alert: our ciphers are too weak for it",
         "The other side wants stronger ciphers than were offered."),
        ("internal error", "alert: it has an error of its own",
         "The other side says that something is wrong with itself."),
        ("inappropriate fallback", "alert: an old version was offered needlessly",
         "The other side says that a newer version of TLS should have been offered."),
        ("user canceled", "alert: cancelled",
         "The other side says that somebody cancelled the handshake."),
        ("no renegotiation", "alert: it does not renegotiate",
         "The other side declined to change the settings of an open connection."),
        ("missing extension", "alert: it misses an extension",
         "The other side misses a part of our first message."),
        ("unsupported extension", "alert: it was sent an extension it did not offer",
         "The other side found a part in a message that it had not asked for."),
        ("certificate unobtainable", "alert: it could not fetch a certificate",
         "The other side could not fetch a certificate; keepiton names none."),
        ("bad certificate status response", "alert: a certificate's status was faulty",
         "The other side found a certificate's status faulty; keepiton sends none."),
        ("bad certificate hash value", "alert: a certificate's hash was wrong",
         "The other side found a certificate's hash wrong; keepiton sends none."),
        ("unknown PSK identity", "alert: it does not know a shared key",
         "The other side does not know a key shared before; keepiton uses none."),
        ("certificate required", "alert: it wants a certificate of ours",
         "The other side serves only those who show a certificate; keepiton has none."),
        ("no application protocol", "alert: no protocol in common (ALPN)",
         "The other side speaks neither of the protocols offered inside TLS."),
    )
}
# fmt: on

_NOTHING = "Anything about the target: it was not asked, or the answer could not be judged."
REASONS: dict[str, Text] = {
    "own_line": Text(
        "inconclusive: this machine's own line was down",
        "The row failed while control targets elsewhere failed too, so it was most likely this"
        " machine's own line.",
        "A dead line or router, a captive portal, or the operator's own trouble.",
        "That the target works: it could not be seen.",
    ),
    "captive_portal": Text(
        "inconclusive: somebody in between answered for all",
        "The row failed while unrelated control targets answered with another page than they"
        " always do.",
        "The log-in page of a hotel or a train, or an unpaid bill.",
        "Anything about the target: open a browser, log in and probe again.",
    ),
    "own_resolver": Text(
        "inconclusive: this machine's resolver did not answer",
        "The name could not be resolved, and neither could those of the controls, while addresses"
        " could be reached.",
        "The operator's or the router's resolver is down.",
        "That the target works: it could not be seen. Another --resolver tells more.",
    ),
    "no_controls": Text(
        "inconclusive: nothing was there to judge the line by",
        "The run had no control targets, so a failure cannot be told from a dead line.",
        "A target list of one's own without controls.",
        "Anything about the target.",
    ),
    "no_route": Text(
        "inconclusive: this machine has no way there",
        "This machine has no route to the address, and nothing was sent.",
        "A line without IPv6, most often.",
        "Anything about the target.",
    ),
    "local_fault": Text(
        "inconclusive: this machine itself failed",
        "The system of this machine could not send or receive; the failure says why.",
        "A firewall on this machine, too many open files, or an interface that is down.",
        "Anything about the target.",
    ),
    "own_clock": Text(
        "inconclusive: this machine's clock is wrong",
        "The clock of this machine is a day or more off that of the controls, so the dates of"
        " certificates cannot be judged.",
        "An empty battery, or a machine that has not set its clock yet.",
        "That the certificate is good, or that it is not.",
    ),
    "deadline": Text(
        "skipped: the run's time was up",
        "The run ended before it got to this target.",
        "A long list, a low rate, or many targets that do not answer.",
        _NOTHING,
    ),
    "byte_cap": Text(
        "skipped: the run's limit on bytes was reached",
        "The run had received as many bytes as it may.",
        "A long list, or a low --max-bytes.",
        _NOTHING,
    ),
    "budget": Text(
        "skipped: no time was left for this stage",
        "The stages before took all the time that one attempt at one address may have.",
        "A slow look-up or a slow connection.",
        "That the stage would have failed.",
    ),
    "interrupted": Text(
        "skipped: the run was interrupted",
        "The run was stopped from the keyboard before it got to this target.",
        "Ctrl-C.",
        _NOTHING,
    ),
    "terminated": Text(
        "skipped: the run was ended by the system",
        "The run was told to stop before it got to this target.",
        "A service manager, or a machine that was turned off.",
        _NOTHING,
    ),
    "perspective": Text(
        "skipped: not probed from this side",
        "The list says that the target is to be probed from inside the country only, or from"
        " outside only.",
        "The list, and this run's --perspective.",
        _NOTHING,
    ),
    "do_not_probe": Text(
        "skipped: on the do-not-probe list",
        "The host or address is on the list of those never to be contacted.",
        "A wish of its owner, or a rule of this installation.",
        _NOTHING,
    ),
}

LINES: dict[str, Text] = {
    "up": Text(
        "own line: works",
        "Enough of the control targets answered: failures of this run count.",
        "The ordinary case.",
        "That every network could be reached.",
    ),
    "border": Text(
        "own line: works, but abroad is not reached",
        "From inside the country, control targets at home answered and those abroad did not.",
        "A disruption at the border or at the operator's links abroad.",
        "On whose account, or that it holds for other operators: compare vantages.",
    ),
    "resolver": Text(
        "own line: works, its resolver does not",
        "Control targets answered by address, and their names could not be resolved.",
        "The operator's or the router's resolver is down.",
        "That names are gone: only failures to resolve are inconclusive.",
    ),
    "portal": Text(
        "own line: somebody in between answers for all",
        "Several unrelated control targets answered with another page than they always do.",
        "The log-in page of a hotel or a train, an unpaid bill, or a gateway that answers in the"
        " name of others.",
        "Anything about the targets: failures of this run are inconclusive.",
    ),
    "down": Text(
        "own line: does not work",
        "Most of the control targets did not answer: failures of this run are inconclusive.",
        "A dead line or router, an unpaid bill, or the operator's own trouble.",
        "That only this line is dead: compare with other vantages.",
    ),
    "mixed": Text(
        "own line: the way out changed in mid-run",
        "This machine's address towards the Internet was not the same all the time, so the run"
        " shows now one network and now another: all of it is inconclusive.",
        "A VPN that came up or went down, another Wi-Fi, or a provider that renewed the address.",
        "Anything about the targets, not even of those that answered: by which way is unknown.",
    ),
    "unknown": Text(
        "own line: not judged",
        "There were no control targets to tell by: failures of this run are inconclusive.",
        "A target list of one's own without controls.",
        "That the line was down, or that it was up.",
    ),
}

FINDINGS: dict[str, Text] = {
    "reached": Text(
        "the target answered",
        "Every stage went well, and the answer is that of the target.",
        "The ordinary case.",
        "That it answers everybody, or at other times.",
    ),
    "server_refuses": Text(
        "the server answered, and declined",
        "The server itself answered that it will not serve this visitor: status 403 or 451, or a"
        " test for being human.",
        "A limit on countries or on kinds of visitors, a protection against robots, or a legal"
        " notice.",
        "A disruption: the way to the server is open.",
    ),
    "interference": Text(
        "something changed or broke the exchange, and left a trace",
        "The rows hold an artefact: a known page put in place of the target's, a made-up address, a"
        " second DNS answer, a forged certificate, or a failure that follows one name alone.",
        "A filter on the path, of an operator or of any other network on it.",
        "Who runs it, or why. The finding names its rows: look at them.",
    ),
    "throttled": Text(
        "much slower than it should be, for this target",
        "The target answered, and sent far more slowly than controls did at the same time.",
        "A limit on speed on the path, an overloaded server, or a crowded link to it.",
        "That it was slowed on purpose.",
    ),
    "disruption": Text(
        "the target did not answer while the line worked",
        "The target failed, was tried again, and failed again, while the controls answered.",
        "A server that is down, a broken network, or a filter that leaves no trace.",
        "Which of these it was. Other vantages tell more.",
    ),
    "broken_site": Text(
        "the site itself is faulty",
        "The trouble is of a kind that sites have by themselves: a certificate that ran out, a"
        " redirect to nowhere, a port where nobody listens.",
        "A mistake of the site's owner.",
        "That nothing else is wrong.",
    ),
    "resolver_trouble": Text(
        "one resolver answers badly, others do not",
        "The trouble is with a resolver and not with the target.",
        "A resolver that is down, overloaded or filters.",
        "That the target is out of reach by other resolvers.",
    ),
    "own_line": Text(
        "this machine's own line was down",
        "The controls failed too, so the target's failure says nothing.",
        "A dead line or router, or the operator's own trouble.",
        "That the target works: it could not be seen.",
    ),
    "own_clock": Text(
        "this machine's clock is wrong",
        "The clock is a day or more off, so the dates of certificates cannot be judged.",
        "An empty battery, or a machine that has not set its clock yet.",
        "That the certificate is good, or that it is not.",
    ),
    "captive_portal": Text(
        "somebody in between answers for all",
        "Unrelated control targets answered with another page than they always do.",
        "The log-in page of a hotel or a train, or an unpaid bill.",
        "Anything about the target.",
    ),
    "no_ipv6": Text(
        "this line has no IPv6",
        "Only the IPv6 addresses failed, and this line does not reach any.",
        "A line without IPv6, which is common.",
        "Anything about the target.",
    ),
    "insufficient": Text(
        "too little was seen to say anything",
        "There are too few rows, or they contradict each other.",
        "A single failure, a run that was cut short, or no controls.",
        "That the target works, or that it does not.",
    ),
}

KINDS = {
    "failure": FAILURES,
    "reason": REASONS,
    "line": LINES,
    "finding": FINDINGS,
}
_TITLES = {
    "failure": "Failures of a measurement",
    "reason": "Reasons why a measurement is inconclusive or skipped",
    "line": "Verdicts on this machine's own line",
    "finding": "Findings about a target",
}


def key(code: str) -> str:
    """Write a code as it is compared: no prefix, lower case, words joined by ``_``."""
    words = re.sub(r"[^a-z0-9]+", "_", code[:200].lower()).strip("_")
    return words.removeprefix(f"{UNKNOWN}_")


def _spellings(name: str) -> set[str]:
    """Return how a code may be written: whole, or what stands after ``tls:``."""
    return {key(name), key(name).rpartition("tls_")[2]}


def find(code: str) -> list[tuple[str, str]]:
    """Return the kinds and codes that are meant; none when there are none.

    A failure that begins with ``unknown_failure`` and has no text of its own is that.
    """
    found = [
        (kind, name)
        for kind, texts in KINDS.items()
        for name in texts
        if key(code) in _spellings(name)
    ]
    if not found and code.strip().lower().startswith(f"{UNKNOWN}:"):
        return [("failure", UNKNOWN)]
    return found


def near(code: str) -> list[str]:
    """Return the codes that are spelt most like one, at most three."""
    import difflib  # noqa: PLC0415 - only after a slip of the pen

    known = {one: name for texts in KINDS.values() for name in texts for one in _spellings(name)}
    close = difflib.get_close_matches(key(code), known, n=3, cutoff=0.5)
    return list(dict.fromkeys(known[one].removeprefix(_PREFIX) for one in close))


def text(kind: str, name: str, width: int = WIDTH) -> str:
    """Write what one code means, in lines of at most ``width`` columns."""
    one = KINDS[kind][name]
    where = kind
    if kind == "failure":
        stages = dict.fromkeys(
            stage for row in TABLE if row.failure == name for stage in row.stages
        )
        where = f"failure at {', '.join(stages)}" if stages else kind
    parts = [
        *textwrap.wrap(f"{name} ({where})", width, subsequent_indent="  "),
        f"  {one.short}",
    ]
    for title, words in (
        ("What it means", one.means),
        ("Common causes", one.causes),
        ("What it does not prove", one.not_proof),
    ):
        parts += ["", title]
        parts += textwrap.wrap(words, width, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(parts) + "\n"


def listing() -> Iterator[str]:
    """Write every code with its one line, by kind; ``unknown_failure: `` is left out."""
    indent = " " * (SHORT_CODE + 4)
    for kind, texts in KINDS.items():
        yield f"{_TITLES[kind]}:"
        for name, one in texts.items():
            shown = name.removeprefix(_PREFIX)
            first, *more = textwrap.wrap(one.short, WIDTH - len(indent))
            if len(shown) <= SHORT_CODE:
                yield f"  {shown:<{SHORT_CODE}}  {first}"
            else:
                yield from (f"  {shown}", indent + first)
            yield from (indent + line for line in more)
        yield ""
