# SPDX-License-Identifier: BSD-3-Clause
"""Sphinx configuration of the guides."""

project = "DPDK vDPA"
copyright = "the project's contributors, BSD-3-Clause"
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "sidebar_width": "240px"}
html_show_sphinx = False
highlight_language = "none"
exclude_patterns = []
