"""``python -m mmx_core.cli``, which launchers of several processes can start."""

import sys

from mmx_core.cli import main

sys.exit(main())
