"""Who uses the dashboard: nobody in particular, a shared password, or an OpenID Connect provider.

Owns: the page that asks, the check behind it, and the name under which the audit log knows a
visitor. A password signs in one browser session; closing or reloading the page ends it.
"""

from __future__ import annotations

import hmac
import time

import streamlit as st

from access_types import LOCAL, Action
from formatting import escape_markdown
from rate_limits import RateLimiter
from settings import LOOPBACK_HOSTS, get_settings, oidc_is_configured
from views.common import open_store

FAILURE_SECONDS = 1.0
"""A wrong password is told after this time, so that trying many takes long."""

ATTEMPTS = RateLimiter(per_minute=10)
"""Of passwords, per address, over all sessions of this process."""

_SIGNED_IN = "sign_in.done"


def is_signed_in() -> bool:
    """Whether the visitor may use the dashboard; refuses a public address without a sign-in."""
    if oidc_is_configured():
        return bool(st.user.get("is_logged_in")) and _is_admitted()
    if get_settings().dashboard_password is not None:
        return st.session_state.get(_SIGNED_IN) is True
    return st.get_option("server.address") in LOOPBACK_HOSTS


def actor() -> str:
    """Return the name under which the audit log knows the visitor."""
    if oidc_is_configured():
        return f"user {st.user.get('email') or st.user.get('sub') or 'unknown'}"
    if get_settings().dashboard_password is not None:
        return f"dashboard {_address()}"
    return LOCAL


def show() -> None:
    """Show the page that asks who the visitor is."""
    st.title("Model Monitor")
    if oidc_is_configured():
        _ask_provider()
    elif get_settings().dashboard_password is not None:
        _ask_password()
    else:
        st.error(
            "This dashboard was started on an address that other machines can reach, without a "
            "sign-in. Set MONITOR_DASHBOARD_PASSWORD, or start it on 127.0.0.1.",
            icon=":material/lock:",
        )


def show_sign_out() -> None:
    """Offer to sign out, where somebody had to sign in."""
    if not get_settings().has_sign_in:
        return
    with st.sidebar:
        if st.button("Sign out", icon=":material/logout:", key="sign_in.out"):
            _sign_out()


def _sign_out() -> None:
    st.session_state.clear()
    if oidc_is_configured():
        st.logout()  # leads the browser away to lose its cookie; a rerun would hold it back
        st.stop()
    st.rerun()


def _ask_password() -> None:
    with st.form("sign_in", width=420):
        given = st.text_input("Password", type="password", key="sign_in.password")
        asked = st.form_submit_button("Sign in", type="primary", icon=":material/login:")
    if asked:
        _check_password(given)


def _check_password(given: str) -> None:
    seconds = ATTEMPTS.wait_seconds(_address())
    if seconds:
        st.error(f"Too many attempts; try again in {seconds} s.", icon=":material/lock:")
        return
    password = get_settings().dashboard_password
    right = password is not None and hmac.compare_digest(
        given.encode(), password.get_secret_value().encode()
    )
    action = Action.SIGNED_IN if right else Action.SIGN_IN_FAILED
    open_store().access.audit(actor(), action, "dashboard")
    if not right:
        time.sleep(FAILURE_SECONDS)
        st.error("This is not the password.", icon=":material/lock:")
        return
    st.session_state[_SIGNED_IN] = True
    st.rerun()


def _ask_provider() -> None:
    if st.user.get("is_logged_in"):
        name = escape_markdown(st.user.get("email") or "This account")
        st.error(f"{name} may not use this dashboard; see MONITOR_DASHBOARD_USERS.")
        if st.button("Use another account", icon=":material/logout:"):
            _sign_out()
    elif st.button("Sign in", type="primary", icon=":material/login:"):
        st.login()


def _is_admitted() -> bool:
    """Whether the provider's user is one the operator lets in; told to the log once a session."""
    email = str(st.user.get("email") or "").lower()
    allowed = is_allowed(email, get_settings().dashboard_users)
    allowed = allowed and st.user.get("email_verified") is not False
    if st.session_state.get(_SIGNED_IN) is not allowed:
        st.session_state[_SIGNED_IN] = allowed
        action = Action.SIGNED_IN if allowed else Action.SIGN_IN_FAILED
        open_store().access.audit(actor(), action, "dashboard")
    return allowed


def is_allowed(email: str, users: list[str]) -> bool:
    """Whether an address is in the operator's list, itself or by its domain.

    Examples
    --------
    >>> is_allowed("ana@example.org", ["@example.org"]), is_allowed("ana@evil.org", ["bea@x.org"])
    (True, False)
    """
    if not users:
        return True
    domain = "@" + email.rpartition("@")[2]
    return bool(email) and bool({email, domain} & {user.lower() for user in users})


def _address() -> str:
    return st.context.ip_address or "127.0.0.1"
