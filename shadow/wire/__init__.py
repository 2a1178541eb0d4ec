"""Pure: bytes from the wire → facts.

The modules in the order in which data flows:

    observe       all facts of one exchange, of any arm: what this room is for
    request       which exchanges are model calls, and what they ask for
    features      what a request makes use of, as a closed set
    decoding      compressed bodies, as far as they go and never beyond a bound
    sse           an incremental parser of event streams
    runs          events that are alike but for one piece of text, read without being parsed
    documents     JSON as providers send it
    fragments     what can be read of a JSON text without parsing the whole of it: exact amounts, cut answers
    answer        an answer's bytes → what it says and what is wrong with it
    assembly      one answer, put together from a body or from events
    chat          the endpoints, each whole and streamed: chat completions,
    completions   legacy completions,
    embeddings    embeddings,
    responses     Responses,
    messages      Anthropic Messages
    errors        what went wrong, as one word from a closed set
    usage         token counts and stated costs of any provider
    tariffs       what tokens cost at a price
    catalogue     what calls cost by list
    prices        what a call costs, from the best source there is
    generation    what OpenRouter says later of an answer that was cut
    timings       when what came
    agreement     how alike two answers are
    schemas       whether an answer fits the JSON schema that its request asked for
"""
