"""Prompts of our own for the benchmark of text relevance; each a user's turn or a short chat."""

from __future__ import annotations

RECALL = (
    "Anna keeps bees in Oslo. Bert paints boats in Lisbon. Carla repairs clocks in Prague. "
    "Where does Carla work?",
    "The red box holds nails, the green box holds buttons and the blue box holds stamps. "
    "What is in the green box?",
    "Mr Okafor sold the piano to Ms Lindqvist, and she sold it to Mr Tanaka. Who owns it now?",
    "The password for the garden door is walnut-42 and for the cellar it is copper-17. "
    "What is the password for the cellar?",
    "In the photo a man holds an umbrella and a dog carries a newspaper. What does the dog carry?",
    "My sister Ingrid, who moved to Denver last spring, bakes bread every Sunday. "
    "What does Ingrid do every Sunday?",
    "Platform 3 is for Vienna, platform 5 is for Milan. Which platform is for Milan?",
    "Dr Abara treats horses and Dr Moreau treats cats. Who treats cats?",
    "The museum opens at ten, the bakery at seven and the library at nine. "
    "When does the bakery open?",
    "Lena ordered soup, Marco ordered fish and Ayu ordered rice. What did Marco order?",
    "The tallest tree in the park is an elm and the oldest is a yew. Which tree is the oldest?",
    "Flight 22 goes to Cairo, flight 38 goes to Lima. Where does flight 38 go?",
    "Nina's bicycle is silver and Omar's bicycle is purple. What colour is Omar's bicycle?",
    "The bridge was built in 1904 by an engineer named Halvorsen. Who built the bridge?",
)
COPYING = (
    "Repeat this sentence exactly: The turquoise kettle whistled before the neighbours woke up.",
    "Copy this line: seven grey herons stood in the shallow river.",
    "Write this word three times: lantern.",
    "Repeat after me: zebra, violin, marble, cactus.",
    "Spell out the name exactly as given: Wolodymyr Kaminski.",
    "Quote the first sentence only: It rained all day. The goats stayed in the barn.",
    "Say this back to me in capital letters: open the window.",
    "Repeat the code: QX-7731-LM.",
    "Repeat this sentence without the last word: We carried the wooden ladder upstairs.",
    "Copy the address: 18 Harbour Lane, Galway.",
    "Write the same list again: flour, salt, yeast, water.",
    "Echo this: the quick ferry left without us.",
)
AGREEMENT = (
    "The keys to the old cabinet, which stands behind the two large mirrors, are lost. "
    "What is lost?",
    "Complete the sentence: The boxes that my uncle left beside the door",
    "Complete the sentence: The girl who feeds the horses every morning",
    "Fill in is or are: The flowers in the vase on the table ___ red. Write the whole sentence.",
    "Fill in was or were: The teacher of the older children ___ late. Write the whole sentence.",
    "Complete the sentence: My brothers, as well as their neighbour,",
    "Rewrite with they instead of she: She takes her umbrella when she leaves.",
    "Rewrite in the plural: The child has lost its shoe.",
    "Rewrite in the past tense: She walks to the lake and feeds the ducks.",
    "Rewrite in the future tense: We visit our grandmother in Porto.",
    "Rewrite with he instead of I: I forgot my keys and I called my wife.",
    "Complete the sentence: The book on the shelves near the windows",
)
LISTS = (
    "Write the plural of these words: mouse, child, leaf, box.",
    "Give the opposite of each word: hot, early, empty, narrow.",
    "Sort these numbers from small to large: 41, 8, 23, 15.",
    "List three colours in this text: a grey pigeon sat on a yellow bench beside the orange tent.",
    "Complete the pattern: Monday, Wednesday, Friday,",
    "Sort these words by the alphabet: pear, apple, melon, cherry.",
    "List the animals in this text: the fox watched the hen while an owl slept.",
    "Continue the list: January, February, March,",
    "Name the last item: hammer, saw, chisel, plane.",
    "Count the fruits: apple, chair, plum, lamp, grape.",
    "Write these in reverse order: one, two, three, four.",
    "Continue the series: 2, 4, 6, 8,",
)
NEGATION = (
    "Which of these is not a fruit: apple, pear, hammer, plum?",
    "Paul likes tea but not coffee. What does Paul not like?",
    "Everyone came to the party except Vera. Who did not come?",
    "The shop sells no meat, only bread and cheese. Does the shop sell meat?",
    "All the lamps work, but the one in the kitchen does not. Which lamp is broken?",
    "Neither Jonas nor Mira can swim, but Ebbe can. Who can swim?",
    "Which of these does not fly: eagle, sparrow, trout, bat?",
    "It is not true that the train was late. Was the train late?",
    "Rewrite as a negative sentence: The children want to sleep.",
    "The soup was not cold but too salty. What was wrong with the soup?",
    "No dogs are allowed on the beach. May I bring my dog to the beach?",
)
ARITHMETIC = (
    "Tom has 7 marbles and gives 3 to Lea. How many marbles does Tom have left?",
    "A meeting starts at 9:30 and lasts 45 minutes. When does it end?",
    "What is 12 plus 9?",
    "A book costs 8 euros. How much do 4 books cost?",
    "What is half of 36?",
    "There are 5 red and 6 blue chairs. How many chairs are there?",
    "Sara is 14 and her brother is 3 years older. How old is her brother?",
    "What is 100 minus 45?",
    "A train travels 60 km in one hour. How far does it travel in 3 hours?",
    "Which is larger, 19 or 91?",
    "How many legs do two spiders have, if one spider has eight?",
)
CODE = (
    "Write a Python function named area that takes width and height and returns their product.",
    "Write one line of Python that prints the numbers from 1 to 5.",
    "What does this print? x = 4; y = x + 3; print(y)",
    "Rename the variable total to price: total = count * 2",
    "Write a Python function called greet that returns 'hello' plus the name.",
    "Which variable is never used? apples = 3; pears = 5; print(pears)",
    "Write an SQL query that selects the column city from the table stations.",
    "Fix the error: pritn('ready')",
    "Write a Python dictionary with the keys river and lake and the values 1 and 2.",
    "Write a CSS rule that makes h2 headings green.",
    "What is the name of this function? def collect_shells(beach): return beach.shells",
)
TRANSLATION = (
    "Translate to French: The cat sleeps on the chair.",
    "Translate to Spanish: I have two sisters and a dog.",
    "Translate to German: The house is old.",
    "Translate to English: Le chien mange le pain.",
    "Translate to Italian: Good morning, my friend.",
    "Translate to English: Wo ist der Bahnhof?",
    "What is the French word for bread?",
    "Translate to English: La casa blanca es grande.",
    "Translate to Portuguese: Thank you for the coffee.",
    "What is the Spanish word for window?",
)
WRITING = (
    "Name the capital of France and the river that runs through it.",
    "Summarise in one sentence: The ferry was late because of fog, so the school choir missed the "
    "train and sang at the harbour instead.",
    "Explain in one sentence why the sky looks blue.",
    "Who wrote the play Romeo and Juliet, and in which century?",
    "Write a short poem of two lines about a lighthouse and a storm.",
    "Write a title for a story about a clockmaker who loses her watch.",
)
CHATS = (
    ("My name is Teodora.", "Nice to meet you, Teodora!", "What is my name?"),
    ("I live in Tampere.", "That sounds lovely.", "In which city do I live?"),
    ("Think of the word pebble.", "Done.", "Which word did I ask you to think of?"),
    ("I bought a yellow kayak.", "Congratulations!", "What colour is my kayak?"),
    ("Give me a fruit.", "Mango.", "Now write that fruit in capital letters."),
    ("I am allergic to nuts.", "I will remember that.", "What am I allergic to?"),
    ("Answer only in French.", "D'accord.", "How do you say thank you?"),
    ("My dog is called Biscuit.", "What a cute name!", "Write a sentence about my dog."),
    ("We meet on Thursday.", "Noted.", "On which day do we meet?"),
    ("Call me Captain.", "Aye, Captain.", "Greet me."),
    ("The total is 30.", "All right.", "Add 5 to the total."),
)

KINDS: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "recall": RECALL,
    "copying": COPYING,
    "agreement": AGREEMENT,
    "lists": LISTS,
    "negation": NEGATION,
    "arithmetic": ARITHMETIC,
    "code": CODE,
    "translation": TRANSLATION,
    "writing": WRITING,
    "chat": CHATS,
}


def conversations() -> list[list[dict[str, str]]]:
    """All prompts as messages, the kinds in turn, so that the first few show all of them."""
    longest = max(map(len, KINDS.values()))
    found = []
    for place in range(longest):
        for prompts in KINDS.values():
            if place < len(prompts):
                turns = prompts[place]
                turns = (turns,) if isinstance(turns, str) else turns
                roles = ("user", "assistant") * len(turns)
                found.append(
                    [{"role": r, "content": t} for r, t in zip(roles, turns, strict=False)]
                )
    return found
