"""What is printed of other people's files shows itself and does nothing."""

import pytest

from easiedge.plain_text import plain


@pytest.mark.parametrize(("text", "wanted"), [
    ("a.png", "a.png"), ("Überfall 猫 [red]", "Überfall 猫 [red]"), ("\x1b[2J\x1b]0;evil\x07", "\\x1b[2J\\x1b]0;evil\\x07"),
    ("two\nlines\r", "two\\nlines\\r"), ("\x9b2J\x7f", "\\x9b2J\\x7f"), ("\u202egnp.exe", "\\u202egnp.exe"), ("\udc80", "\\udc80"),
    ("no\xa0break\u3000", "no\xa0break\u3000"), ("\u2028", "\\u2028"), (7, "7"),
])  # fmt: skip
def test_what_a_terminal_would_obey_is_written_out(text, wanted):
    assert plain(text) == wanted
