"""Run time and memory of whole lists on loopback: all answering, and all black-holed.

    sudo python benchmarks/lists.py

Every figure stands beside its limit: for answering lists what the rate of new connections asks,
for black-holed ones a single black-holed target in the same run (its two attempts and the pause)
plus what the rate asks. Waiting should cost nothing beyond those.
"""

import world


def urls(count: int, port: int, scheme: str) -> list[str]:
    """Name targets on one address: on loopback no two seconds lie between connections."""
    return [f"{scheme}://{world.ADDRESS}:{port}/{n}" for n in range(count)]


def main() -> None:
    """Measure every list at the default rate of 20/s and at 1000/s."""
    world.enter_own_network()
    with world.nginx() as folder:
        start = world.probe(folder, urls(1, world.HTTPS, "https"))
        one = world.probe(folder, urls(1, world.HOLE, "https"))
        print(f"one answering target:   {start.wall_s:6.1f} s")
        print(f"one black-holed target: {one.wall_s:6.1f} s (the budget every list is held to)")
        print("targets  kind         rate     wall s   limit s  ratio   cpu s  peak MiB  exit")
        for count in (300, 2000):
            for kind, port, attempts, alone in (
                ("answering", world.HTTPS, 1, start),
                ("black-holed", world.HOLE, 2, one),
            ):
                for rate in (20, 1000):
                    cost = world.probe(folder, urls(count, port, "https"), "--rate", str(rate))
                    limit = alone.wall_s + count * attempts / rate
                    print(
                        f"{count:7}  {kind:11} {rate:5}/s {cost.wall_s:9.1f} {limit:9.1f}"
                        f" {cost.wall_s / limit:6.2f} {cost.cpu_s:7.1f} {cost.peak_mib:9.0f}"
                        f" {cost.code:5}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
