"""Training, evaluation and export of the segmentation weights that Cinecor ships.

Runs on a developer's machine; nothing here is part of the service. The service only reads the packages under
`weights/models/<name>/<version>/`, and `weights/README.md` is the contract between the two.
"""
