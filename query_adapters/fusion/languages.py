"""Detect the language of texts by their most frequent function words."""

from collections import Counter
from collections.abc import Iterable

MIN_WORDS = 20  # fewer words are no evidence
MIN_SHARE = 0.12  # running text of the languages below has 0.25 to 0.45
MIN_RATIO = 1.2  # to the runner-up: related languages share words such as "de"

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

_WORDS_OF = {
    language: frozenset(words.casefold().split()) for language, words in FUNCTION_WORDS.items()
}


def language_of(words: Iterable[str]) -> str | None:
    """Return the language with the greatest share of function words, None if none stands out.

    A language stands out if its function words make up at least `MIN_SHARE` of the words, and
    `MIN_RATIO` times as many as those of the next language.

    Args:
        words: Casefolded words of a sample of texts.
    """
    counts = Counter(words)
    n_words = counts.total()
    if n_words < MIN_WORDS:
        return None
    known = {language: _occurrences(counts, among) for language, among in _WORDS_OF.items()}
    (best, n_best), (_, n_next) = Counter(known).most_common(2)
    stands_out = n_best >= MIN_SHARE * n_words and n_best >= MIN_RATIO * n_next
    return best if stands_out else None


def _occurrences(counts: Counter[str], among: frozenset[str]) -> int:
    return sum(counts[word] for word in among)
