"""``python -m mmx_core``: the command ``mmx``, for where its name is taken or not on the path."""

import sys

from mmx_core.cli import main

sys.exit(main())
