"""makes 1,200 folders in each other, a locked one and names that are no text, then exits"""

import os


class NestsFolders:
    name = "nests_folders"

    def run(self, payload):
        os.mkdir("locked", 0)
        open(b"\xff\xfe", "wb").close()
        os.symlink("/", "root")
        for _ in range(1_200):
            os.mkdir("d")
            os.chdir("d")
        os._exit(6)
