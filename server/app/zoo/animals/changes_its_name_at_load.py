"""takes another plugin's name when it is loaded"""


class ChangesItsNameAtLoad:
    name = "changes_its_name_at_load"

    def load(self):
        type(self).name = "well_behaved"

    def run(self, payload):
        return {"called": self.name}
