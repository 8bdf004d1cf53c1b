from visavis.models.llama import Slots


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_conversation_keeps_its_slot():
    slots = Slots(3, Clock())
    first = slots.of("a", "hotel")
    slots.of("b", "hotel")
    assert slots.of("a", "hotel") == first
    assert slots.of("b", "hotel") != first


def test_a_new_one_takes_an_unused_slot_before_anyone_elses():
    slots = Slots(3, Clock())
    assert len({slots.of(user, "hotel") for user in "abc"}) == 3


def test_a_slot_left_alone_goes_to_who_has_the_same_system_prompt():
    clock = Clock()
    slots = Slots(3, clock)
    hotel, bank = slots.of("a", "hotel"), slots.of("b", "bank")
    clock.now = 61.0
    assert slots.of("c", "bank") == bank
    assert slots.of("d", "hotel") == hotel


def test_when_all_are_busy_the_longest_unused_one_goes():
    clock = Clock()
    slots = Slots(2, clock)
    oldest = slots.of("a", "x")
    clock.now = 1.0
    slots.of("b", "x")
    clock.now = 2.0
    assert slots.of("c", "x") == oldest
