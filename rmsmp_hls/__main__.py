"""`python -m rmsmp_hls` is `rmsmp-hls`."""

from rmsmp_hls.cli import main

if __name__ == "__main__":
    main()
