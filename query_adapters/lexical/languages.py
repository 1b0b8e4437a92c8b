"""Detect the language of texts by their most frequent function words."""

import math
from collections import Counter
from collections.abc import Iterable

MIN_WORDS = 20  # fewer words are no evidence
MIN_SHARE = 0.01  # running text has 0.2 to 0.4, a catalogue of products 0.02
MIN_FOUND = 0.3  # of a language's words: few, often, are those of a language that is not listed
MIN_RATIO = 1.5  # to the runner-up; Danish and Norwegian are not told apart

FUNCTION_WORDS = {
    "arabic": "في من على إلى أن عن التي الذي ما هذا هذه لا كان مع ذلك هو هي أو كل بين هل كيف",
    "catalan": "de la el i que a en els les per amb un una del no és al es dels com més què aquest",
    "danish": "og i at det er en til på af for de der den med som et ikke har jeg kan hvad fra af",
    "dutch": "de het een van en in is dat op te zijn voor met niet aan er ik je hoe wat of ook om",
    "english": "the of and to a in is that it for on are with as be this by or from you how what",
    "finnish": "ja on ei se että oli mutta hän ovat kun myös tai joka niin kuin mitä miten olen",
    "french": "de la le et les des en un une du est que qui dans pour pas sur ce au je il à",
    "german": "der die und in den von zu das mit ist des im für nicht ein eine auf dem ich wie",
    "greek": "και το να του η της με που την από για είναι οι τα στο δεν τον θα σε των τι πως",
    "hindi": "के में की है को से का और पर ने हैं यह एक कि लिए भी नहीं था क्या कैसे इस जो",
    "hungarian": "a az és hogy nem is egy ez meg csak mint volt van ki még már de vagy mi el azt",
    "indonesian": "yang dan di dari ini untuk dengan itu pada tidak dalam adalah ke saya apa bisa",
    "italian": "di e il la che in un per è una del non della le si con i da sono al come mi gli lo",
    "norwegian": "og i det er en til på av for at de som med den et ikke har jeg kan hva fra seg",
    "portuguese": "de a o que e do da em um para com não uma os no se na por as dos como mais ao é",
    "romanian": "de și în a la cu pe să este o un nu care din că pentru mai se au ce sunt ca sau",
    "russian": "и в не на что я с по как это он к из у за от так но для о же если вы мы или",
    "spanish": "de la que el en y a los se del las un por con no una para su es al lo como qué más",
    "swedish": "och i att det är en som på för av med den till inte om de ett har jag kan vad så",
    "turkish": "ve bir bu da de için ne ile çok daha o gibi mi en olan olarak var ben nasıl ama",
}
"""Frequent words of languages that every supported version of Snowball stems."""

UNSTEMMED = {
    "bulgarian": "и на да се в за не от с е са по че до като или как си това което към при",
    "croatian": "i u je na se da od su za s a ne o što iz kao koji to do će ili bi ako po",
    "czech": "a v se na je že o s z do i to k ve pro za by ale jsou jako po jak co si",
    "polish": "w i na z się do nie to że jest o a jak po dla od za przez czy są oraz co ale",
    "slovak": "a v sa na je že o s z do i to k vo pre za by ale sú ako po čo si pri",
    "slovenian": "in je v na se za da so z s ki pa po ne od tudi kot o bi pri ali ko če do",
    "swahili": "ya na wa kwa ni za katika la cha hii kama au yake si pia kuwa hiyo wake ili",
    "ukrainian": "і в на не з що до за та як у це він від по для або про але й є так чи",
    "vietnamese": "và của là có cho không được các một trong với những người này đã để từ khi",
}
"""Frequent words of languages that would be taken for one of the others."""

_WORDS_OF = {
    language: frozenset(words.casefold().split())
    for language, words in (FUNCTION_WORDS | UNSTEMMED).items()
}


def language_of(words: Iterable[str]) -> str | None:
    """Return the language whose function words stand out, None if none does or it has no stemmer.

    The evidence for a language is the share of its function words among all words, times the share
    of them that occurs at all. A language stands out if its evidence is `MIN_RATIO` times that of
    the next one and the two shares are at least `MIN_SHARE` and `MIN_FOUND`.

    Args:
        words: Casefolded words of a sample of texts.
    """
    counts = Counter(words)
    if counts.total() < MIN_WORDS:
        return None
    shares = {language: _shares(counts, among) for language, among in _WORDS_OF.items()}
    best, other = sorted(shares, key=lambda language: math.prod(shares[language]))[:-3:-1]
    share, found = shares[best]
    stands_out = share * found >= MIN_RATIO * math.prod(shares[other])
    is_sure = stands_out and share >= MIN_SHARE and found >= MIN_FOUND
    return best if is_sure and best in FUNCTION_WORDS else None


def _shares(counts: Counter[str], among: frozenset[str]) -> tuple[float, float]:
    """Return the share of these words among all words, and the share of them that occurs."""
    n_occurrences = sum(counts[word] for word in among)
    return n_occurrences / counts.total(), len(among & counts.keys()) / len(among)
