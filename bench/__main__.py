"""`python -m bench`: measure the gateway and the start of a task beside their peers, and print medians and ratios."""

from bench import gateway, start

ROUNDS = 9

if __name__ == "__main__":
    gateway.main()
    print(*start.measure(ROUNDS), sep="\n")
