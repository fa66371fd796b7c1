"""Numbers on the command line, with their ranges."""
import argparse


def whole(least, most=2**31 - 1):
    def whole_number(text):
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from {least} to {most}, got {text}")
        return value
    return whole_number


def between(above, below):
    def number(text):
        value = float(text)
        if not above < value < below:
            raise argparse.ArgumentTypeError(f"must be > {above} and < {below}, got {text}")
        return value
    return number
