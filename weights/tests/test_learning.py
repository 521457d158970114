"""A training of seconds on drawn hearts: the whole path from slices to a checked package, small enough for one core."""

import dataclasses
import hashlib
import json
import subprocess
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnxruntime
import pytest
import torch

from cinecor_weights import augment, curves, evaluate, export, grid, prepare, start, train
from cinecor_weights.labels import LABELS
from cinecor_weights.model import Inference, UNet, doubling, macs

SIZE = 64


def drawn_hearts(count: int, seed: int) -> prepare.Slices:
    """Discs in rings with a second cavity to the left, each in a frame of its own: `[count, SIZE, SIZE]`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    images, labels = [], []
    for _ in range(count):
        centre_y, centre_x, inner = rng.uniform(26, 38), rng.uniform(32, 42), rng.uniform(7, 10)
        distance = np.hypot(y - centre_y, x - centre_x)
        label = np.zeros((SIZE, SIZE), np.uint8)
        label[np.hypot((y - centre_y) * 0.8, x - centre_x + inner + 8) < 9] = LABELS["right_ventricle"]
        label[distance < inner + 5] = LABELS["myocardium"]
        label[distance < inner] = LABELS["left_ventricle"]
        images.append(np.array([-0.5, 1.2, -1.0, 1.5])[label] + rng.normal(0, 0.3, label.shape))
        labels.append(label)
    return prepare.Slices(np.stack(images).astype(np.float16), np.stack(labels), np.arange(count))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[UNet, train.Recipe, Path]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("run")
    recipe = train.Recipe(epochs=6, batch=8, crop=48, width=doubling(8), average_decay=0.95, learning_rate=4e-3)
    return train.train(drawn_hearts(96, 1), recipe, out), recipe, out


def dice_on_unseen(network: UNet) -> list[float]:
    unseen = drawn_hearts(16, 2)
    with torch.inference_mode():
        found = network(torch.from_numpy(unseen.images.astype(np.float32))[:, None])[0].argmax(1).numpy()
    return [evaluate.dice(unseen.labels == c, found == c) or 0.0 for c in (1, 2, 3)]


def test_learns_what_an_untrained_network_cannot(trained: tuple[UNet, train.Recipe, Path]) -> None:
    # Every structure of unseen hearts is found; measured .88 and more, an untrained network .16 at best.
    assert min(dice_on_unseen(trained[0])) > 0.75
    torch.manual_seed(3)
    assert max(dice_on_unseen(UNet(doubling(8)).eval())) < 0.5


def test_kept_weights_are_those_that_were_returned(trained: tuple[UNet, train.Recipe, Path]) -> None:
    network, recipe, out = trained
    kept, kept_recipe = train.load(out / "weights.pt")
    assert kept_recipe == recipe
    for name, value in network.state_dict().items():
        torch.testing.assert_close(kept.state_dict()[name], value, rtol=0, atol=0)


def test_resumed_training_equals_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    data = drawn_hearts(16, 4)
    recipe = train.Recipe(epochs=2, batch=8, crop=32, width=doubling(4))
    unbroken = train.train(data, recipe, tmp_path / "unbroken")
    save, calls = train._save, []

    def killed_after_first_epoch(state: dict[str, object], path: Path) -> None:
        save(state, path)
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "_save", killed_after_first_epoch)
    with pytest.raises(KeyboardInterrupt):
        train.train(data, recipe, tmp_path / "broken")
    resumed = train.train(data, recipe, tmp_path / "broken")
    for name, value in unbroken.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)


def test_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    data = drawn_hearts(8, 5)
    recipe = train.Recipe(epochs=1, batch=8, crop=32, width=doubling(4))
    train.train(data, recipe, tmp_path)
    with pytest.raises(SystemExit, match="another recipe"):
        train.train(data, dataclasses.replace(recipe, seed=2), tmp_path)


def test_training_goes_on_with_another_end_until_its_rate_goes_straight_to_zero(tmp_path: Path) -> None:
    data = drawn_hearts(8, 5)
    recipe = train.Recipe(epochs=2, cooldown_epochs=1, batch=8, crop=32, width=doubling(4))
    kept = dataclasses.asdict(recipe)
    longer = dataclasses.replace(recipe, epochs=3)
    assert train._is_further_along(kept, 1, longer) and not train._is_further_along(kept, 2, longer)
    assert not train._is_further_along(kept, 1, dataclasses.replace(longer, cosine_epochs=50))
    train.train(data, recipe, tmp_path)
    with pytest.raises(SystemExit, match="another recipe"):
        train.train(data, longer, tmp_path)


def test_training_begun_again_after_its_end_equals_one_that_was_to(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    data = drawn_hearts(16, 4)
    once = train.Recipe(epochs=2, cooldown_epochs=1, batch=8, crop=32, width=doubling(4))
    again = dataclasses.replace(once, again_epochs=1)
    unbroken = train.train(data, again, tmp_path / "unbroken")
    train.train(data, once, tmp_path / "broken")
    resumed = train.train(data, again, tmp_path / "broken")
    for name, value in unbroken.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)


def test_grown_network_computes_what_the_package_computes(trained: tuple[UNet, train.Recipe, Path], tmp_path: Path) -> None:
    graph = tmp_path / "model.onnx"
    graph.write_bytes(export.graph_of(trained[0]))
    images = drawn_hearts(8, 10).images
    torch.manual_seed(11)
    # Wider, and seeing a slice on either side of the one that the package sees.
    wider = UNet((8, 24, 40, 64, 130), inputs=3)
    start.grow(wider, graph, grid.with_neighbours(images, 1))
    unseen = torch.from_numpy(grid.with_neighbours(drawn_hearts(4, 12).images.astype(np.float32), 1))
    with torch.inference_mode():
        expected, found = Inference(trained[0])(unseen[:, 1:2]), Inference(wider.eval())(unseen)
    # The same sums of float32 in another order, with zeros among them.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="8x3 channels at down.0.0, the network has 4x1"):
        graph.write_bytes(export.graph_of(wider.eval()))
        start.grow(UNet(doubling(4)), graph, images[:, None])


def test_narrower_network_starts_with_the_channels_of_the_largest_weights(trained: tuple[UNet, train.Recipe, Path], tmp_path: Path) -> None:
    graph = tmp_path / "model.onnx"
    # At the deepest level every other channel weighs nothing: without some of them all is the same.
    network = export.fold_batch_norm(trained[0])
    with torch.no_grad():
        for layer in (network.down[4][0], network.down[4][3]):
            layer.weight[::2] = 0
            layer.bias[::2] = -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Inference(network).eval(), (torch.zeros(1, 1, 64, 64),), graph, dynamo=False, opset_version=export.OPSET)
    torch.manual_seed(22)
    narrower = UNet((8, 16, 32, 64, 100))
    images = drawn_hearts(8, 10).images[:, None]
    start.grow(narrower, graph, images)
    unseen = torch.from_numpy(drawn_hearts(4, 12).images.astype(np.float32))[:, None]
    with torch.inference_mode():
        expected, found = Inference(network)(unseen), Inference(narrower.eval())(unseen)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_teacher_teaches_where_labels_say_nothing(trained: tuple[UNet, train.Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, of_teacher, _ = trained
    export.package(teacher, of_teacher, "drawn", "0.0.1", tmp_path, [])
    monkeypatch.setattr(train, "MODELS", tmp_path)
    monkeypatch.setitem(train.RECIPES, "drawn/0.0.1", of_teacher)
    drawn = drawn_hearts(96, 21)
    unlabelled = dataclasses.replace(drawn, labels=np.zeros_like(drawn.labels))
    recipe = dataclasses.replace(of_teacher, teacher="drawn/0.0.1", teacher_weight=1.0)
    assert min(dice_on_unseen(train.train(unlabelled, recipe, tmp_path / "run"))) > 0.75


def test_cost_of_a_slice_is_that_of_the_convolutions() -> None:
    # 16×16 with one channel at every level, by hand: a 3×3 convolution is 9 a pixel, 2 a level and 18 for the two inputs of a merge.
    pixels = [256, 64, 16, 4, 1]
    down, up, merge, head = 18 * sum(pixels), 4 * sum(pixels[1:]), 27 * sum(pixels[:-1]), 4 * pixels[0]
    assert macs(UNet((1, 1, 1, 1, 1)).eval(), 16) == down + up + merge + head


def test_exported_graph_equals_pytorch_at_a_size_it_was_not_traced_with(trained: tuple[UNet, train.Recipe, Path]) -> None:
    network = trained[0]
    session = onnxruntime.InferenceSession(export.graph_of(network), providers=["CPUExecutionProvider"])
    image = torch.randn(5, 1, 80, 112, generator=torch.Generator().manual_seed(6))
    found = session.run(None, {"image": image.numpy()})[0]
    with torch.inference_mode():
        expected = torch.softmax(network(image)[0], 1).numpy()
    # Folding batch norm reorders sums of float32; both are probabilities.
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_export_refuses_a_graph_that_differs(trained: tuple[UNet, train.Recipe, Path]) -> None:
    network = trained[0]
    graph = export.graph_of(network)
    torch.manual_seed(7)
    with pytest.raises(ValueError, match="differs from PyTorch"):
        export._check_equal(UNet(doubling(8)).eval(), graph)


def test_package_card_names_labels_and_the_digest_of_its_graph(trained: tuple[UNet, train.Recipe, Path], tmp_path: Path) -> None:
    network, recipe, _ = trained
    folder = export.package(network, recipe, "drawn", "0.0.1", tmp_path, [])
    card = json.loads((folder / "model.json").read_text())
    assert card["labels"] == {"background": 0, "right_ventricle": 1, "myocardium": 2, "left_ventricle": 3}
    assert card["graph"]["digest"] == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()


def test_rate_warms_up_falls_and_ends_at_zero() -> None:
    recipe, steps = train.Recipe(epochs=10, cosine_epochs=12, cooldown_epochs=2), 50
    rates = [train.rate_factor(recipe, steps, step) for step in range(10 * steps + 1)]
    assert rates[0] == pytest.approx(0.01) and max(rates) < 1 and rates[-1] == 0
    assert all(later < earlier for earlier, later in zip(rates[100:], rates[101:]))
    # After 8 of 12 epochs the cosine is at a quarter; from there it is a straight line.
    assert rates[8 * steps] == pytest.approx(0.25) and rates[9 * steps] == pytest.approx(0.125)


def test_rate_that_starts_again_is_a_straight_line() -> None:
    recipe, steps = train.Recipe(epochs=10, cosine_epochs=12, cooldown_epochs=2, again_epochs=4, again_rate=0.4), 50
    rates = [train.rate_factor(recipe, steps, steps * epoch) for epoch in (8, 10, 11, 13, 14)]
    assert rates == pytest.approx([0.25, 0.4, 0.3, 0.1, 0])


def test_augmentation_moves_image_and_labels_together() -> None:
    drawn = drawn_hearts(32, 8)
    images, labels = drawn.images, drawn.labels
    truth = torch.from_numpy(labels)
    # The image is the label itself: after any crop and turn, bright pixels are where the cavity is.
    picture = (truth == 3).float()[:, None]
    image, moved = augment.crop_and_turn(picture, truth, 48, torch.Generator().manual_seed(9))
    found, expected = image[:, 0] > 0.5, moved == 3
    assert (2 * (found & expected).sum() / (found.sum() + expected.sum())) > 0.95
    assert not torch.equal(moved, truth[:, 8:56, 8:56].long())


def test_crops_about_the_heart_hold_its_middle() -> None:
    labels = drawn_hearts(64, 13).labels
    labels[0] = 0
    truth = torch.from_numpy(labels)
    assert augment.heart_centres(truth)[0].isnan().all()
    row, column = augment.heart_centres(truth)[1]
    where = np.argwhere(labels[1])
    assert (float(row), float(column)) == tuple((where.min(0) + where.max(0)) / 2)
    wide = torch.nn.functional.pad(truth, (48, 48, 48, 48))
    _, anywhere = augment.crop_and_turn(wide[:, None].float(), wide, 48, torch.Generator().manual_seed(14))
    _, about = augment.crop_and_turn(wide[:, None].float(), wide, 48, torch.Generator().manual_seed(14), heart_share=1.0)
    assert (about[1:] != 0).any(2).any(1).all() and (anywhere != 0).any(2).any(1).sum() < 60


def test_bent_crop_moves_image_and_labels_together() -> None:
    truth = torch.from_numpy(drawn_hearts(32, 8).labels)
    picture = (truth == 3).float()[:, None]
    straight = augment.crop_and_turn(picture, truth, 48, torch.Generator().manual_seed(9))[1]
    image, bent = augment.crop_and_turn(picture, truth, 48, torch.Generator().manual_seed(9), bend_pixels=6.0)
    found, expected = image[:, 0] > 0.5, bent == 3
    assert (2 * (found & expected).sum() / (found.sum() + expected.sum())) > 0.95
    # About two in five are bent, the others are as without.
    assert 5 < (straight != bent).any(2).any(1).sum() < 24


def test_smaller_field_of_view_is_normalised_and_keeps_the_heart() -> None:
    drawn = drawn_hearts(32, 15)
    images, labels = drawn.images, drawn.labels
    image = torch.from_numpy(images.astype(np.float32))[:, None] * 3 + 7
    out = augment._field_of_view(image, torch.from_numpy(labels), torch.Generator().manual_seed(16), 1.0)
    inside = out != 0
    assert inside[:, 0][torch.from_numpy(labels) != 0].all() and not inside.all()
    for cut, kept in zip(out, inside):
        assert abs(float(cut[kept].mean())) < 1e-3 and abs(float(cut[kept].std()) - 1) < 1e-2
    torch.testing.assert_close(augment._field_of_view(image, torch.from_numpy(labels), torch.Generator().manual_seed(16), 0.0), image)


def test_dice_of_two_empty_masks_is_unknown_and_of_one_empty_is_zero() -> None:
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    assert evaluate.dice(empty, empty) is None
    assert evaluate.dice(empty, full) == 0
    assert evaluate.dice(full, full) == 1


def test_neighbours_are_those_of_the_stack_and_end_with_it() -> None:
    frames = np.array([0, 0, 0, 1, 1, 2])
    picked = np.tile(np.arange(6), 300)
    seen = augment.neighbours_of(frames, picked, 2, torch.Generator().manual_seed(17))
    assert seen.shape == (1800, 5) and (seen[:, 2] == picked).all()
    # Never a slice of another frame, never farther than the column says, and past the last slice the last again.
    assert (frames[seen] == frames[picked][:, None]).all()
    assert (np.abs(seen - picked[:, None]) <= np.array([2, 1, 0, 1, 2])).all()
    # The middle of three slices: most often between the other two, as often upside down, now and then alone on one side or both.
    middle = seen[picked == 1].tolist()
    upright, turned, single = (middle.count(row) for row in ([0, 0, 1, 2, 2], [2, 2, 1, 0, 0], [1, 1, 1, 1, 1]))
    assert 90 < upright < 150 and 90 < turned < 150 and 0 < single < 12
    assert set(map(tuple, seen[picked == 5].tolist())) == {(5, 5, 5, 5, 5)}


def test_learns_from_stacks(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    drawn = drawn_hearts(96, 1)
    # Each heart three times: a stack whose slices are alike.
    stacks = prepare.Slices(drawn.images.repeat(3, 0), drawn.labels.repeat(3, 0), drawn.frames.repeat(3))
    recipe = train.Recipe(epochs=2, batch=8, crop=48, width=doubling(8), average_decay=0.95, learning_rate=4e-3, neighbours=1)
    network = train.train(stacks, recipe, tmp_path)
    unseen = drawn_hearts(16, 2)
    predict = Inference(network)
    with torch.inference_mode():
        found = predict(torch.from_numpy(unseen.images.astype(np.float32))[:, None].expand(-1, 3, -1, -1)).argmax(1).numpy()
    assert min(evaluate.dice(unseen.labels == c, found == c) or 0.0 for c in (1, 2, 3)) > 0.75
    folder = export.package(network, recipe, "drawn", "0.0.1", tmp_path, [])
    assert json.loads((folder / "model.json").read_text())["inputs"][0]["shape"] == [-1, 3, -1, -1]
    assert evaluate.grid_of(folder / "model.json") == recipe.served


def test_graph_of_a_replaced_package_comes_from_history(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=Nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)

    file = tmp_path / "models" / "drawn" / "0.0.1" / "model.onnx"
    git("init")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"first")
    git("add", ".")
    git("commit", "-m", "first")
    assert start.committed(file) == b"first"
    git("rm", str(file))
    git("commit", "-m", "replaced")
    assert not file.exists() and start.committed(file) == b"first"
    with pytest.raises(SystemExit, match="nor in this clone's history"):
        start.committed(file.with_name("other.onnx"))


def test_history_has_a_line_an_epoch_and_is_drawn(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    recipe = train.Recipe(epochs=3, cooldown_epochs=1, batch=8, crop=48, width=doubling(4), average_decay=0.95)
    train.train(drawn_hearts(16, 4), recipe, tmp_path)
    history = tmp_path / train.HISTORY
    train._note(history, 3, 0.5, 1e-3, 2.0)
    found = curves.read(history)
    assert [epoch for epoch, _ in found] == [1, 2, 3] and found[2][1] == 0.5
    picture = ElementTree.fromstring(curves.draw({"a < b": found, "other": [(1, 1.0)]}))
    lines = [line.attrib["points"].split() for line in picture.iter("{http://www.w3.org/2000/svg}polyline")]
    assert [len(line) for line in lines] == [3, 1]
    # The first epoch on the left edge, the last on the right one, and what is lower lies lower.
    assert lines[0][0].startswith("48.0,") and lines[0][2].startswith("672.0,")
    assert float(lines[0][2].split(",")[1]) > float(lines[1][0].split(",")[1])
    with pytest.raises(ValueError, match="train for one at least"):
        curves.draw({"nothing": []})
