"""``python -m livepass``."""

from livepass.cli import main

if __name__ == "__main__":
    main()
