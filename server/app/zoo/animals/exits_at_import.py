"""leaves by os._exit while it is imported"""

import os

os._exit(0)
