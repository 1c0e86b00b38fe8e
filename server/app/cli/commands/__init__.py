"""One module a command: it reads the options, asks the backend, and hands the answer to the rendering."""
