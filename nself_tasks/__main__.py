"""`python -m nself_tasks` is the console script."""

import sys

from nself_tasks.import_path import without_current_folder

# Before anything else is imported that the project could have a file of the same name for.
without_current_folder()

from nself_tasks.cli import main  # noqa: E402

sys.exit(main())
