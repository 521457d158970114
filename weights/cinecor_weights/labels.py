"""The label table of the training data (the ACDC convention). The card carries it by name; nothing else defines it."""

LABELS: dict[str, int] = {"background": 0, "right_ventricle": 1, "myocardium": 2, "left_ventricle": 3}
STRUCTURES: tuple[str, ...] = ("right_ventricle", "myocardium", "left_ventricle")
CLASSES: int = len(LABELS)
