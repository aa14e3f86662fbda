"""Sending a message to a channel that apprise knows: mail, webhook, WeCom, DingTalk.

Owns the one call. An address holds a token: it is never logged.
"""

import logging


def send(address: str, title: str, text: str) -> bool:
    """Send ``text`` under ``title`` to ``address``, as apprise writes it; say whether it was taken."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its log names addresses, and they hold tokens
    channel = apprise.Apprise()
    return channel.add(address) and bool(channel.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT))
