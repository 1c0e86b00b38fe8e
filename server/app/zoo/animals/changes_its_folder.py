"""changes the working directory, the environment, the umask and the locale of its process"""

import locale
import os


class ChangesItsFolder:
    name = "changes_its_folder"

    def run(self, payload):
        before = os.getcwd()
        os.chdir("/")
        os.environ.clear()
        os.umask(0o777)
        locale.setlocale(locale.LC_ALL, "C")
        return {"moved": before != os.getcwd()}
