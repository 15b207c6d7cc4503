"""What `specola forward` does once it knows where to: `python -m bench.forwarder GATEWAY-PORT`. Prints its port."""

import asyncio
import sys

import uvloop

from bench.contenders import HOST, TASK, TOKEN
from specola.cli.failures import AnsweredError
from specola.cli.reaching import Target
from specola.cli.tunnels import Door
from specola.domain.errors import SpecolaError


class Loud:
    """Says what goes wrong."""

    def changed(self, door: Door) -> None:
        """Say nothing."""

    def failed(self, door: Door, error: SpecolaError | AnsweredError) -> None:
        """Say what went wrong."""
        print(f"{door.target.title}: {error.sentence}", file=sys.stderr)


async def main(port: int) -> None:
    target = Target(
        task=TASK, task_name=TASK, interface="lab", protocol="tcp", port=0, origin=f"http://{HOST}:{port}", token=TOKEN
    )
    server = await asyncio.get_running_loop().create_server(Door(target, Loud()).accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
