"""`python -m bench`: measure the gateway, tunnels, desktops, SSH and the start of a task beside their peers; print medians and ratios."""

from bench import desktops, gateway, ssh, start, tunnels

ROUNDS = 9
TUNNEL_SECONDS = 2.0
TUNNELS = 1000
PICTURES = 2000
SSH_BYTES, SSH_ROUNDS = 512 * 1024**2, 3

if __name__ == "__main__":
    gateway.main()
    print(*tunnels.measure(ROUNDS, TUNNEL_SECONDS, TUNNELS), sep="\n")
    print(*desktops.measure(ROUNDS, PICTURES), sep="\n")
    print(*ssh.report(ssh.measure(SSH_BYTES, SSH_ROUNDS)), sep="\n")
    print(*start.measure(ROUNDS), sep="\n")
