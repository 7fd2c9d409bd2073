"""Proposes presentation contexts to a node as SCANNER and prints the answer to each, in order.

usage: propose.py PORT "ABSTRACT_SYNTAX TRANSFER_SYNTAX"...
"""

import sys

from pynetdicom import AE
from pynetdicom.presentation import build_context

ae = AE(ae_title="SCANNER")
contexts = []
for argument in sys.argv[2:]:
    abstract_syntax, transfer_syntax = argument.split()
    contexts.append(build_context(abstract_syntax, transfer_syntax))
association = ae.associate("127.0.0.1", int(sys.argv[1]), contexts=contexts, ae_title="IRISNODE")
if not association.is_established:
    sys.exit("not established")
answers = association.accepted_contexts + association.rejected_contexts
for context in sorted(answers, key=lambda context: context.context_id):
    print(context.status)
association.release()
