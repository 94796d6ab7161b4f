"""`python -m nself_tasks` is the console script."""

import sys

from nself_tasks.cli import main

sys.exit(main())
