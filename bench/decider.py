"""A `web` that lets one cookie pass to one port: `python -m bench.decider DATA PORT PROTOCOL`."""

import asyncio
import sys
from pathlib import Path

from bench.contenders import COOKIE, TOKEN
from tests.support.web_side import WebSide, settings_in

BEAT_SECONDS = 10.0


async def main(data: Path, port: int, protocol: str) -> None:
    web = WebSide(settings=settings_in(data), cookies={COOKIE: "bench"}, tokens={TOKEN: "bench"})
    web.serve_interface("lab", {"host": "127.0.0.1", "port": port}, protocol=protocol)
    async with web.serving():
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await web.beat()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
