"""python3 -m lab"""

import sys

from .cli import main
from .tools import interruptible

sys.exit(interruptible(main))
