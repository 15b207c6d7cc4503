"""`python -m bench`: measure the gateway, tunnels and the start of a task beside their peers; print medians and ratios."""

from bench import gateway, start, tunnels

ROUNDS = 9
TUNNEL_SECONDS = 2.0
TUNNELS = 1000

if __name__ == "__main__":
    gateway.main()
    print(*tunnels.measure(ROUNDS, TUNNEL_SECONDS, TUNNELS), sep="\n")
    print(*start.measure(ROUNDS), sep="\n")
