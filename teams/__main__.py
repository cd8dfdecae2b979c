"""`python -m teams`: the same as `python -m letitcrash`."""

from letitcrash.cli import main

if __name__ == "__main__":
    main()
