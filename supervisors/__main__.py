"""`python -m supervisors`, for where the script `understudy` is not on the path."""

from supervisors.cli import main

if __name__ == "__main__":
    main()
