"""What can be in a picture: names that English has for them, and the characters that draw them.

The names are the everyday ones of Unicode's. Colours are said only where the drawing has that
colour and another drawing of the same thing has not (hues are never changed in a scene). Of a
hundred names 28 are more than one token of SmolLM2's.
"""

from __future__ import annotations

NOUNS = {
    "dog": "🐕", "cat": "🐈", "horse": "🐎", "cow": "🐄", "pig": "🐖", "camel": "🐫",
    "elephant": "🐘", "rhinoceros": "🦏", "giraffe": "🦒", "kangaroo": "🦘", "rabbit": "🐇",
    "penguin": "🐧", "duck": "🦆", "swan": "🦢", "owl": "🦉", "flamingo": "🦩", "peacock": "🦚",
    "parrot": "🦜", "frog": "🐸", "turtle": "🐢", "snake": "🐍", "whale": "🐋", "shark": "🦈",
    "octopus": "🐙", "snail": "🐌", "butterfly": "🦋", "bee": "🐝", "ladybug": "🐞", "crab": "🦀",
    "lobster": "🦞", "zebra": "🦓", "gorilla": "🦍", "squirrel": "🐿", "hedgehog": "🦔",
    "hamburger": "🍔", "watermelon": "🍉", "lemon": "🍋", "banana": "🍌", "pineapple": "🍍",
    "pear": "🍐", "strawberry": "🍓", "tomato": "🍅", "avocado": "🥑", "eggplant": "🍆",
    "carrot": "🥕", "broccoli": "🥦", "mushroom": "🍄", "croissant": "🥐", "pretzel": "🥨",
    "doughnut": "🍩", "cupcake": "🧁", "lollipop": "🍭", "hot dog": "🌭", "red apple": "🍎",
    "green apple": "🍏", "violin": "🎻", "guitar": "🎸", "saxophone": "🎷", "drum": "🥁",
    "camera": "📷", "laptop": "💻", "watch": "⌚", "hourglass": "⌛", "umbrella": "☂",
    "candle": "🕯", "hammer": "🔨", "key": "🔑", "magnet": "🧲", "anchor": "⚓", "bell": "🔔",
    "crown": "👑", "backpack": "🎒", "shirt": "👕", "scarf": "🧣", "bicycle": "🚲", "car": "🚗",
    "bus": "🚌", "tractor": "🚜", "airplane": "✈", "helicopter": "🚁", "rocket": "🚀",
    "sailboat": "⛵", "castle": "🏰", "basketball": "🏀", "balloon": "🎈", "trophy": "🏆",
    "snowman": "⛄", "cactus": "🌵", "sunflower": "🌻", "rose": "🌹", "chair": "🪑",
    "bucket": "🪣", "blue book": "📘", "green book": "📗", "alarm clock": "⏰",
    "light bulb": "💡", "teddy bear": "🧸", "palm tree": "🌴", "top hat": "🎩",
    "soccer ball": "⚽",
}  # fmt: skip
NAMES = tuple(NOUNS)
BACKGROUND = "background"
"""What cells without an object are taught to say."""


def with_article(name: str) -> str:
    """``a dog``, ``an owl``; every name here is spoken as it is written."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
