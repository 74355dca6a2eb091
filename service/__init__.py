"""The serving half: media in, recognised text and classes out, over HTTP. Never knows torch or `training`."""
