#!/bin/sh
# Makes sure that a Chromium is there for the browser tests; says what to do when it cannot.
set -eu
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
echo "No Chromium found; installing it for the browser tests ..."
if command -v apt-get >/dev/null 2>&1; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    if $as_root true 2>/dev/null; then
        $as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends \
            chromium fonts-liberation fonts-noto-color-emoji >/dev/null
        exit 0
    fi
fi
if .venv/bin/python -m playwright install chromium; then exit 0; fi
echo "The browser tests need Chromium: install the package 'chromium' (or Google Chrome) and try again." >&2
exit 1
