"""Streamlit's command line, kept on this machine: ``python -m streamlit_offline run app.py``.

Owns: one omission. To print an address, and whenever a foreign page knocks, Streamlit asks
``checkip.amazonaws.com`` over plain HTTP what this machine's public address is; there is no option
to switch that off.
"""

from __future__ import annotations


def main() -> None:
    """Run Streamlit's command line without that question; ends the process."""
    from streamlit import net_util
    from streamlit.web import cli

    net_util.get_external_ip = _unknown
    cli.main(prog_name="streamlit")


def _unknown() -> None:
    """Answer like a machine that is not connected."""


if __name__ == "__main__":
    main()
