"""`python -m deliverd`: the same as the command `deliverd`."""

from deliverd.cli import main

if __name__ == "__main__":
    main()
