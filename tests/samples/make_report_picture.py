#!/usr/bin/python3
"""Renders tests/samples/harbour.yaml and takes a picture of its report: tests/samples/report.jpg.

usage: make_report_picture.py ATELIER [STORE]     (needs python3-pil and chromium)

STORE keeps the sweep, so that a second time nothing is rendered again.
"""
import os
import shutil
import subprocess
import sys
import tempfile

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = ("--headless=new --no-sandbox --disable-gpu --no-first-run --hide-scrollbars "
         "--disable-background-networking --disable-component-update --disable-sync "
         "--virtual-time-budget=3000 --window-size=1360,1960").split()
WIDTH = 1000


def photograph(page, folder):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    shot = os.path.join(folder, "page.png")
    subprocess.run([browser, *FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={shot}",
                    "file://" + page], check=True, stderr=subprocess.DEVNULL)
    return Image.open(shot).convert("RGB")


def main():
    atelier = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else f"{folder}/harbour")
        sweep = os.path.join(HERE, "harbour.yaml")
        subprocess.run([atelier, "batch", sweep, "--output", store], check=True)
        subprocess.run([atelier, "report", store], check=True)
        picture = photograph(os.path.join(store, "report.html"), folder)
        height = round(picture.height * WIDTH / picture.width)
        picture.resize((WIDTH, height), Image.LANCZOS).save(
            os.path.join(HERE, "report.jpg"), quality=80, optimize=True)


if __name__ == "__main__":
    main()
