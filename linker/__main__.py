"""`python -m linker`: the command line."""

from linker.cli import main

if __name__ == "__main__":
    main()
