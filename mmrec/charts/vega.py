"""Bundle Vega, Vega-Lite and Vega-Embed, from the package vl-convert-python, into one script for pages with charts."""

from importlib.metadata import version

_LICENCES = """/*! Vega {vega}, Vega-Lite {lite} and Vega-Embed {embed}, bundled with what they depend on.
Vega, Vega-Lite, Vega-Embed, Vega-Tooltip, Vega-Themes, Vega-Interpreter: BSD 3-Clause, Copyright (c) 2015-2025, University of Washington
Interactive Data Lab and contributors. D3, delaunator, internmap: ISC, Copyright 2010-2025 Mike Bostock, Copyright (c) 2021-2023 Mapbox.
fast-json-patch, json-stringify-pretty-compact, robust-predicates: MIT and public domain.

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are
met: 1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the
documentation and/or other materials provided with the distribution. 3. Neither the name of the copyright holder nor the names of its
contributors may be used to endorse or promote products derived from this software without specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT
LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT
HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT
LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON
ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE
USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE. */
"""


def vega_version() -> str:
    """Return the versions of the packages that determine the bundle, as part of a file name."""
    import altair

    return f"{altair.SCHEMA_VERSION}-{version('vl-convert-python')}"


def vega_bundle() -> str:
    """Create the script: the licences, and the libraries in a separate scope. This takes seconds.

    The version of Vega-Lite is the one for which the installed Altair writes specifications.
    """
    import altair
    import vl_convert

    lite = altair.SCHEMA_VERSION.removeprefix("v")
    known_as = next(known for known in vl_convert.get_vegalite_versions() if lite.startswith(f"{known}."))
    code = vl_convert.javascript_bundle(vl_version=known_as)  # type: ignore[call-arg]  # its type stubs lack the default value
    if "</script" in code.lower() or "<!--" in code:
        raise ValueError("the bundle cannot be embedded in a script element")
    licences = _LICENCES.format(vega=vl_convert.get_vega_version(), lite=lite, embed=vl_convert.get_vega_embed_version())
    return f"{licences}(() => {{{code}}})();\n"
