# SPDX-License-Identifier: BSD-3-Clause
"""Sphinx configuration of the guides."""
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

project = "DPDK vDPA"
copyright = "the project's contributors, BSD-3-Clause"
extensions = ["testpmd"]
exclude_patterns = ["_ext"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "sidebar_width": "240px"}
html_show_sphinx = False
highlight_language = "none"
