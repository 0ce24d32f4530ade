"""The head that writes text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _get_feature_names, check_is_fitted

from skmultimodal._fitting import keep_state_on_error
from skmultimodal._splits import draw_validation
from skmultimodal.fusion._base import make_fusion
from skmultimodal.heads._base import FusionHead
from skmultimodal.heads._network import Recipe
from skmultimodal.heads._parameters import document_parameters
from skmultimodal.heads._planning import (
    block_gains,
    check_task,
    refuse_few_modalities,
    warn_of_nameless,
)
from skmultimodal.heads._reading import read_encoded, read_weight, row_index
from skmultimodal.heads._seeding import draw_seed
from skmultimodal.heads._training import Job, Settings, Trained
from skmultimodal.heads.generating._columns import Columns
from skmultimodal.heads.generating._examples import Examples, pad_replies
from skmultimodal.heads.generating._mixture import Mixture
from skmultimodal.heads.generating._network import (
    DECODERS,
    GeneratorNetwork,
    GeneratorRecipe,
)
from skmultimodal.heads.generating._reader import ReplyReader
from skmultimodal.heads.generating._sampling import check_sampling
from skmultimodal.heads.generating._search import Search
from skmultimodal.heads.generating._texts import (
    frequent_tokens,
    read_allowed,
    read_texts,
    spread_texts,
)
from skmultimodal.heads.generating._tokenizer import TOKENIZERS
from skmultimodal.heads.generating._trainer import GenerationTrainer, TokenLoss
from skmultimodal.heads.generating._writing import Writing
from skmultimodal.nn._losses import WeightedLoss

_RELEVANT = 64  # tokens by whose presence blocks are weighed
_NOT_OURS = ("hidden_layer_sizes", "aux_loss_weight", "modality_balance")


@document_parameters
class FusionGenerator(FusionHead):
    """Text from several modalities: replies, answers, captions.

    X is an encoded frame, y one string a row. The tokens of every modality, after the
    fusion, are the memory of a decoder that writes y token by token and looks up there
    what it needs; absent ones are hidden. The fused vector is part of the memory, and
    where the decoder starts.

    A block of :class:`~skmultimodal.encoders.DialogueHistoryEncoder` in X is read as
    text: what was said before, by whom and how long ago. It joins the memory beside the
    fusion, and words can be copied from it.

    Parameters
    ----------
    {fusion}
    decoder : {{"lstm", "transformer"}}, default="lstm"
        What writes: LSTM layers with attention to the memory behind them
        (arXiv:1508.04025), or layers of self-attention and attention to the memory
        (arXiv:1706.03762).
    {tokens}
    n_layers : int, default=1
        Layers of the decoder.
    {dropout}
    copy : "auto" or bool, default="auto"
        Whether the next token may be copied from the history, by a gate between the
        vocabulary and a pointer (arXiv:1704.04368). "auto" is where X has a history.
    tokenizer : {{"auto", "bpe", "word"}}, default="auto"
        Learned from y and the histories in the training rows. "bpe" is byte-level
        byte-pair encoding; with "word" each word is a token, and others are spelled in
        bytes. "auto" takes words where there are at most 500 different ones. No
        character is unknown to either.
    vocabulary_size : int, default=2000
        Most tokens to learn, the 256 bytes among them.
    label_smoothing : float, default=0.0
        Share of each token's weight that goes to all tokens alike. Validation is
        without it.
    max_length : int, default=64
        Most tokens that are written. Longer replies are learned from all the same.
    n_beams : int, default=1
        Replies that are kept while writing; 1 takes the most probable next token.
    length_penalty : float, default=1.0
        α of beam search: finished replies are compared by log-likelihood divided by
        their number of tokens to the power of α. 0 is the most probable reply, which
        tends to be short.
    no_repeat_ngram : int, default=0
        No run of so many tokens is written twice; 0 is no limit.
    mbr_samples : int, default=0
        From 3 on, `predict` does not search: it draws so many replies and gives the one
        with the highest mean chrF against the others (minimum Bayes risk). The most
        probable reply to an open question tends to be short and bland; this one is
        typical (arXiv:2005.10283). 0 searches. May be set after `fit`.
    allowed : list of str, default=None
        Replies to choose from: `predict` gives the most probable of them. May be set
        after `fit`.
    count_prior : bool, default=False
        Whether what the net writes is weighed with counts: n-grams of words in the
        training replies, of all and of those where a modality has the same value (of
        modalities with at most 64), and in the history of the row. Few replies are
        learned better so, and what was said is repeated more. How much either is worth
        is learned on held-out rows: it needs `early_stopping` or `X_val`.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    FusionClassifier : Where answers are classes.
    skmultimodal.multimodal_pipeline : Encoders and a head in one call.

    References
    ----------
    Vinyals et al., "Show and tell", arXiv:1411.4555 (pictures to text by an LSTM);
    Luong, Pham and Manning, arXiv:1508.04025 (attention); See, Liu and Manning,
    arXiv:1704.04368 (copying); Press and Wolf, arXiv:1608.05859 (one matrix for
    embedding and output); Kumar and Byrne, "Minimum Bayes-risk decoding for statistical
    machine translation", NAACL 2004. Tokenised by the library `tokenizers`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.heads import FusionGenerator
    >>> rng = np.random.default_rng(0)
    >>> number = rng.integers(2, size=200)
    >>> color = rng.integers(2, size=200)
    >>> X = pack({{
    ...     "image": np.eye(2)[color] + 0.1 * rng.normal(size=(200, 2)),
    ...     "text": np.eye(2)[number] + 0.1 * rng.normal(size=(200, 2)),
    ... }})
    >>> y = np.array(["one", "two"])[number] + np.array([" red", " blue"])[color]
    >>> head = FusionGenerator(embed_dim=16, random_state=0).fit(X, y)
    >>> bool(np.mean(head.predict(X) == y) > 0.9)
    True
    >>> bool(head.perplexity(X, y) < 1.5)
    True
    """

    hidden_layer_sizes: Any = ()
    aux_loss_weight: float = 0.0
    modality_balance: str | None = None
    _is_auto = False  # there are no predictions to pool
    _mixture: Mixture | None = None
    _recipe: GeneratorRecipe
    _inputs: ReplyReader  # type: ignore[assignment]
    module_: GeneratorNetwork  # type: ignore[assignment]

    _parameter_constraints: ClassVar[dict] = {
        **{
            name: allowed
            for name, allowed in FusionHead._parameter_constraints.items()
            if name not in _NOT_OURS
        },
        "decoder": [StrOptions(set(DECODERS))],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "copy": [StrOptions({"auto"}), "boolean"],
        "tokenizer": [StrOptions(set(TOKENIZERS))],
        "vocabulary_size": [Interval(Integral, 257, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "max_length": [Interval(Integral, 1, None, closed="left")],
        "n_beams": [Interval(Integral, 1, None, closed="left")],
        "length_penalty": [Interval(Real, 0, None, closed="left")],
        "no_repeat_ngram": [Interval(Integral, 0, None, closed="left")],
        "mbr_samples": [
            Interval(Integral, 3, None, closed="left"),
            Options(Integral, {0}),
        ],
        "allowed": ["array-like", None],
        "count_prior": ["boolean"],
    }

    def __init__(
        self,
        fusion: Any = "concat",
        decoder: str = "lstm",
        *,
        temporal: str = "mean",
        embed_dim: int = 64,
        n_layers: int = 1,
        dropout: float = 0.3,
        modality_dropout: float = 0.0,
        copy: Any = "auto",
        tokenizer: str = "auto",
        vocabulary_size: int = 2000,
        label_smoothing: float = 0.0,
        max_length: int = 64,
        n_beams: int = 1,
        length_penalty: float = 1.0,
        no_repeat_ngram: int = 0,
        mbr_samples: int = 0,
        allowed: Any = None,
        count_prior: bool = False,
        lr: float = 5e-3,
        lr_schedule: str = "cosine",
        weight_decay: float = 0.01,
        max_grad_norm: float | None = None,
        average: str | None = None,
        max_epochs: int = 30,
        batch_size: int | str = "auto",
        standardize: bool = True,
        block_scale: str = "relevance",
        modalities: Mapping[str, Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        validation_split: Any = None,
        n_iter_no_change: int = 10,
        max_time: float | None = None,
        warm_start: bool = False,
        callbacks: Any = None,
        device: Any = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.fusion = fusion
        self.decoder = decoder
        self.temporal = temporal
        self.embed_dim = embed_dim
        self.n_layers = n_layers
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.copy = copy
        self.tokenizer = tokenizer
        self.vocabulary_size = vocabulary_size
        self.label_smoothing = label_smoothing
        self.max_length = max_length
        self.n_beams = n_beams
        self.length_penalty = length_penalty
        self.no_repeat_ngram = no_repeat_ngram
        self.mbr_samples = mbr_samples
        self.allowed = allowed
        self.count_prior = count_prior
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.average = average
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.standardize = standardize
        self.block_scale = block_scale
        self.modalities = modalities
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.n_iter_no_change = n_iter_no_change
        self.max_time = max_time
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        groups: Any = None,
    ) -> FusionGenerator:
        """Learn the tokeniser, and train the net by teacher forcing.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent.
        y : array-like of str of shape (n_samples,)
            Replies; "" ends at once.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A Series is aligned to X by label.
        X_val, y_val : as X and y, default=None
            Rows to validate on, instead of a part of X. They have gone through the same
            encoders.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of the internal split.

        Returns
        -------
        self : FusionGenerator

        Raises
        ------
        ValueError
            If y holds what is no text, X is not encoded, `allowed` is empty or holds
            a reply twice, or the fusion is unknown. A previous fit stays usable.
        ImportError
            If the library `tokenizers` is not installed.
        """
        if self.allowed is not None:
            read_allowed(self.allowed)
        if self.count_prior and not self.early_stopping and X_val is None:
            raise ValueError(
                "count_prior=True learns on held-out rows how much counts are worth. "
                "Set early_stopping=True, or give X_val and y_val."
            )
        self._fit(X, y, sample_weight, X_val, y_val, groups)
        return self

    # Writing -----------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Write a reply to each row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of str of shape (n_samples,)
            The best reply that the search finds, the most typical of `mbr_samples`, or
            the most probable of those `allowed`.

        Raises
        ------
        ValueError
            If a parameter that was set after `fit` is out of its range.
        """
        x, writing = self._read(X)
        if self.allowed is not None:
            texts = np.array(read_allowed(self.allowed), dtype=object)
            return texts[writing.of_each(x, list(texts)).argmax(axis=1)]
        self._validate_params()
        if self.mbr_samples:
            return writing.agreed(x, int(self.mbr_samples), int(self.max_length))
        search = Search(
            int(self.max_length),
            int(self.n_beams),
            float(self.length_penalty),
            int(self.no_repeat_ngram),
        )
        return writing.best(x, search)

    def sample(
        self,
        X: Any,
        n: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
        random_state: Any = None,
    ) -> np.ndarray:
        """Draw replies at random.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.
        n : int, default=1
            Replies a row.
        temperature : float, default=1.0
            What log-probabilities are divided by: below 1 keeps to the probable.
        top_p : float, default=1.0
            Draws from the fewest tokens that together have this probability
            (arXiv:1904.09751).
        random_state : int, RandomState instance or None, default=None
            Seed of the draw. No global state is touched.

        Returns
        -------
        ndarray of str of shape (n_samples, n)

        Raises
        ------
        ValueError
            If `n` is less than 1, `temperature` not above 0, or `top_p` not in (0, 1].
        """
        check_sampling(n, temperature, top_p)
        x, writing = self._read(X)
        return writing.drawn(
            x,
            int(n),
            max_length=int(self.max_length),
            temperature=float(temperature),
            top_p=float(top_p),
            seed=draw_seed(random_state),
        )

    def predict_proba_next(
        self, X: Any, prefix: Any = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """How probable each token is after the first words of a reply.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.
        prefix : str or array-like of str of shape (n_samples,), default=""
            What has been written so far, of all rows or of each.

        Returns
        -------
        tokens : ndarray of str of shape (n_tokens,)
            With the space before them; a part of a character as ``<0xE2>``, the last
            one is ``<end>``.
        probability : ndarray of shape (n_samples, n_tokens)
            Rows sum to 1.
        """
        x, writing = self._read(X)
        texts = spread_texts(prefix, len(x), "prefix")
        surfaces = np.array(self._inputs.tokenizer.surfaces(), dtype=object)
        return surfaces, writing.next_tokens(x, texts)

    # Scoring -----------------------------------------------------------------------

    def log_likelihood(self, X: Any, y: Any) -> np.ndarray:
        """Log-likelihood of each row's reply and its end, in nats.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.
        y : array-like of str of shape (n_samples,)
            Replies.

        Returns
        -------
        ndarray of shape (n_samples,)
            Sums over tokens. By the number of characters or words they are what text
            models of other tokens are compared by.
        """
        return self._likelihoods(X, y)[0]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean log-likelihood a token, in nats; ends of replies are tokens.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.
        y : array-like of str of shape (n_samples,)
            Replies.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            At most 0. Only models with one tokeniser can be compared by it.
        """
        total, lengths = self._likelihoods(X, y)
        weight = read_weight(sample_weight, X, len(total))
        weight = np.ones(len(total)) if weight is None else weight
        return float(weight @ total / (weight @ lengths))

    def perplexity(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Among how many equally probable tokens the net chooses: exp(-score).

        Parameters
        ----------
        X, y, sample_weight : as in `score`
            Rows and their replies.

        Returns
        -------
        float
            At least 1.
        """
        return float(np.exp(-self.score(X, y, sample_weight)))

    def _likelihoods(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood and number of tokens of each row, the end among them."""
        x, writing = self._read(X)
        texts = read_texts(y)
        check_consistent_length(x, texts)
        return writing.likelihoods(x, list(texts))

    def _read(self, X: Any) -> tuple[np.ndarray, Writing]:
        check_is_fitted(self)
        x = read_encoded(self, X, reset=False)
        return x, Writing(self.module_, self._inputs, self._mixture)

    # What a head says --------------------------------------------------------------

    def _read_target(self, y: Any, *, reset: bool) -> np.ndarray:
        return read_texts(y)

    def _scale_target(self, y: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        return y

    def _target_weights(
        self, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        return None

    def _make_loss(self, n_epochs: int | None) -> WeightedLoss:
        return TokenLoss(float(self.label_smoothing))

    def _task(self) -> str:
        return "generation"

    def _count_outputs(self, y: np.ndarray) -> int:
        raise NotImplementedError  # the tokeniser counts them

    def _settings(self, seed: int, epochs: int, lr_schedule: str) -> Settings:
        settings = super()._settings(seed, epochs, lr_schedule)
        return replace(settings, trainer=GenerationTrainer)

    def _complete(self, job: Job, done: Trained, keep_optimizer: bool) -> None:
        super()._complete(job, done, keep_optimizer)
        self._mixture = None
        if self.count_prior:
            assert isinstance(job.rows, Examples)
            assert isinstance(job.valid, Examples)
            reader = self._inputs
            self._mixture = Mixture.learn(
                self.module_, job.rows, job.valid, reader.tokenizer, reader.layout
            )

    def _hold_out(
        self, X: Any, x: np.ndarray, y: np.ndarray, groups: Any, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        columns = Columns.of(self._read_layout(x, X))
        return draw_validation(
            y,
            index=row_index(X),
            x=columns.comparable(x, self._column_names(x)),
            groups=groups,
            splitter=self.validation_split,
            fraction=self.validation_fraction,
            stratify=False,
            random_state=seed,
        )

    def _plan(  # type: ignore[override]
        self, x: np.ndarray, X: Any, target: np.ndarray
    ) -> tuple[Recipe, ReplyReader]:
        reader = ReplyReader.learn(
            x,
            self._read_layout(x, X),
            self._column_names(x),
            self.standardize,
            list(target),
            self.tokenizer,
            int(self.vocabulary_size),
        )
        fusion = make_fusion(self.fusion)
        check_task(fusion, self._task())
        gains: tuple[float, ...] = ()
        if reader.blocks is not None:
            nameless = _get_feature_names(X) is None
            refuse_few_modalities(reader.layout, fusion, nameless)
            if nameless:
                warn_of_nameless(self, x)
            numbers = reader.columns.numbers(x)
            tokens = pad_replies(reader.tokenizer, list(target))
            bag = frequent_tokens(tokens, _RELEVANT)
            gains = block_gains(self, numbers, reader.blocks, bag)
        copies = reader.n_roles > 0 if self.copy == "auto" else bool(self.copy)
        recipe = GeneratorRecipe(
            reader.layout,
            fusion,
            int(self.embed_dim),
            (),
            float(self.dropout),
            float(self.modality_dropout),
            reader.tokenizer.n_tokens + 1,
            gains,
            self.temporal,
            task=self._task(),
            decoder=self.decoder,
            n_layers=int(self.n_layers),
            n_roles=reader.n_roles,
            copies=copies and reader.n_roles > 0,
        )
        return recipe, reader

    def _rows(
        self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, rows: np.ndarray
    ) -> Examples:
        own = None if weight is None else weight[rows]
        return self._inputs(x[rows], list(y[rows]), own)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")
