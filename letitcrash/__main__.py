"""`python -m letitcrash`, for where the script `letitcrash` is not on the path."""

from letitcrash.cli import main

if __name__ == "__main__":
    main()
