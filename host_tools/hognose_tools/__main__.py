# SPDX-License-Identifier: MIT
"""`python -m hognose_tools` is the command `hognose`."""

import sys

from .cli import main

sys.exit(main())
