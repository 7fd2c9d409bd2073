"""An SMTP server that wants STARTTLS and a password, and writes each mail down, a line of JSON each.

usage: mailbox.py PORT OUT CERTIFICATE KEY USER PASSWORD
"""

import email
import email.policy
import json
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

port, out, certificate, key, user, password = sys.argv[1:]


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["Subject"],
            "date": mail["Date"],
            "text": mail.get_body().get_content(),
            "encrypted": session.ssl is not None,
        }
        with open(out, "a") as file:
            file.write(json.dumps(taken) + "\n")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = (data.login.decode(), data.password.decode()) == (user, password)
    # Not handled: the server says 535 by itself.
    return AuthResult(success=right, handled=False)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
Controller(
    Mailbox(),
    hostname="127.0.0.1",
    port=int(port),
    tls_context=context,
    require_starttls=True,
    auth_required=True,
    authenticator=authenticate,
).start()
threading.Event().wait()
