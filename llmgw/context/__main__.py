"""Print the page of all documents of the context protocol."""

import sys

from llmgw.context.protocol.reference import page

sys.stdout.write(page())
