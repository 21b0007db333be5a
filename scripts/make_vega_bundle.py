#!/usr/bin/env python3
"""Writes the JavaScript that draws a report's charts: Vega, Vega-Lite and Vega-Embed in one classic script.

    make_vega_bundle.py OUT

Taken from the Python wheel vl-convert-python, which carries them; nothing is fetched. The bundle is an ES module whose
names would be global in a classic script, so it is wrapped in a function; what a page needs are window.vega, vegaLite and vegaEmbed.
"""
import os
import sys

import vl_convert

NOTICE = "/* Vega, Vega-Lite and Vega-Embed. Copyright University of Washington Interactive Data Lab and contributors. BSD-3-Clause. */\n"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_vega_bundle.py OUT")
    out = sys.argv[1]
    code = vl_convert.javascript_bundle()
    for name in ("window.vegaEmbed=", "window.vega=", "window.vegaLite="):
        if name not in code:
            sys.exit(f"vl-convert-python {vl_convert.__version__}: its bundle does not set {name[:-1]}")
    # It stands between <script> tags.
    code = code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    with open(out + ".tmp", "w", encoding="utf-8") as file:
        file.write(NOTICE + '(()=>{"use strict";' + code + "})();\n")
    os.replace(out + ".tmp", out)


if __name__ == "__main__":
    main()
