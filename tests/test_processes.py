"""What processes of one run tell one another."""

import torch
from torch import nn

from easiedge import processes
from easiedge.errors import DataError
from easiedge.processes import (
    below_one_another,
    by_the_first,
    first_before_the_others,
    gathered,
    highest,
    local_size,
    own_part,
    rank,
    same_network,
    stacked,
    summed,
    told,
    world_size,
)


def network(seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)
    net[1].running_mean.normal_()
    return net


def everything():
    me = rank()
    matrix = torch.full((me, 2), float(me))
    return {
        "size": world_size(),
        "local": local_size(),
        "summed": summed(torch.tensor([1.0 + me, 2.0])),
        "stacked": stacked(torch.tensor([me, 7])),
        "highest": highest(me, -me),
        "told": told({"rank": me, "tensor": torch.full((2,), me)}),
        "gathered": gathered((me, "x")),
        "rows": below_one_another(matrix),
        "part": own_part(5),
        "network": same_network(network(me)).state_dict(),
    }


def test_all_of_it_in_two(two):
    for number, found in enumerate(two(everything)):
        assert found["size"] == found["local"] == 2
        assert found["summed"].tolist() == [3.0, 4.0]
        assert found["stacked"].tolist() == [[0, 7], [1, 7]]
        assert found["highest"] == (1, 0)
        assert found["told"]["rank"] == 0 and found["told"]["tensor"].tolist() == [0, 0]
        assert found["gathered"] == [(0, "x"), (1, "x")]
        assert found["rows"].tolist() == [[1.0, 1.0]]
        assert found["part"] == (slice(0, 2), slice(2, 5))[number]
        for name, tensor in network(0).state_dict().items():
            assert torch.equal(found["network"][name], tensor)


def test_in_one_it_is_what_was_given():
    found = everything()
    assert (
        found["size"] == found["local"] == 1
        and found["summed"].tolist() == [1.0, 2.0]
        and found["stacked"].tolist() == [[0, 7]]
    )
    assert found["highest"] == (0, 0) and found["told"]["rank"] == 0 and found["gathered"] == [(0, "x")]
    assert found["rows"].shape == (0, 2) and found["part"] == slice(0, 5)
    assert processes.speaks(2) and processes.said(3) == 3


def test_every_thing_is_one_process_s(monkeypatch):
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(processes, "world_size", lambda size=size: size)
        for length in (0, 1, 2, 6, 7, 20):
            parts = []
            for number in range(size):
                monkeypatch.setattr(processes, "rank", lambda number=number: number)
                parts.append(range(length)[own_part(length)])
            assert [i for part in parts for i in part] == list(range(length))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def decided(wrong):
    calls = []

    def make():
        calls.append(rank())
        if wrong:
            raise DataError("the folder is empty: fill it")
        return 10 + rank()

    try:
        return by_the_first(make), calls
    except DataError as error:
        return str(error), calls


def test_the_first_alone_decides_and_its_errors_are_everyone_s(two):
    assert two(decided, False) == [(10, [0]), (10, [])]
    assert two(decided, True) == [("the folder is empty: fill it", [0]), ("the folder is empty: fill it", [])]


def fetched(path):
    with first_before_the_others():
        if rank() == 0:
            path.write_text("fetched")
        return path.read_text()


def test_the_others_find_what_the_first_fetched(two, tmp_path):
    assert two(fetched, tmp_path / "data") == ["fetched", "fetched"]


def spoken():
    before = processes.said(1)
    return before, processes.speaks(2), processes.said(1)


def test_one_speaks_for_all_and_its_status_counts(two):
    answers = two(spoken)
    assert sorted(speaks for _, speaks, _ in answers) == [False, True]
    assert two(processes.said, 1) == [2, 2]
