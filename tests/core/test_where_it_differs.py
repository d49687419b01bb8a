"""README's list of where tinynet differs from Keras: every entry has tests, the rest of them here.

What is here runs in both libraries, side by side.
"""

import ast
import pathlib
import re

import keras
import numpy as np
import pytest

import tinynet

pytestmark = pytest.mark.filterwarnings(  # Keras's own
    "ignore:__array__ implementation", "ignore:Explicitly requested dtype int64"
)
TESTS = pathlib.Path(__file__).parents[1]
HERE, MORE = "core/test_where_it_differs", "core/test_where_more_differs"
SECTION = "## Where it differs from Keras"

# How an entry of README begins -> the tests of what it says, in that order; those of parity/ run
# both libraries (`pytest -m parity`).
TESTED = {
    "Cross-entropy after softmax": [
        "engine/test_evaluate_predict::test_a_saturated_output_keeps_its_gradient",
        "parity/purpose::saturated_outputs_keep_their_loss",
    ],
    "NaN or infinity in the data": [
        "engine/test_bad_input::test_inputs",
        "engine/test_bad_input::test_targets",
        "data/test_inputs::test_a_bad_row_of_a_mapped_file_is_named_when_it_comes",
        "data/test_streams_refuse::test_a_bad_batch_is_named",
        "parity/purpose::class_ids_out_of_range",
        "parity/purpose::nan_in_the_inputs",
    ],
    "A generator is read once": [
        "engine/test_evaluate_predict::test_which_batches_of_a_generator_come",
        "data/test_streams::test_a_generator_that_ends_before_the_epochs_do",
        "data/test_streams::test_a_validation_generator_that_ends",
        "parity/callback_purposes::a_generator_is_not_rewound",
    ],
    "EarlyStopping, ReduceLROnPlateau": [
        "callbacks/test_callbacks_following::test_nan_is_never_the_best",
        "callbacks/test_callbacks_following::test_a_missing_monitor_is_an_error_before_the_first_"
        "epoch",
        "parity/purpose::a_monitor_that_does_not_exist",
        "parity/purpose::nan_is_never_the_best",
        "parity/purpose::negative_patience",
        "parity/purpose::best_only_means_best",
    ],
    "`on_predict_batch_end` gets": [
        "parity/callback_purposes::outputs_that_are_a_dict_are_one_log",
    ],
    "A learning rate that was read": [f"{HERE}::test_a_rate_that_was_read"],
    "One `set_random_seed`": [
        "engine/test_fit_order::test_the_same_seed_gives_the_same_bits",
        "engine/test_fit_order::test_dropout_masks_follow_the_seed_and_differ_by_step",
    ],
    "`sparsemax` is the projection": [
        f"{HERE}::test_sparsemax_and_a_row_of_padding",
        "parity/purpose::sparsemax_sums_to_one",
    ],
    "`RMSNormalization(axis=1)`": [
        f"{HERE}::test_rms_normalization_along_another_axis",
        "layers/test_more_layers::test_rms_normalization_scales_along_the_axis_it_normalizes",
    ],
    "History, `evaluate` and `metrics_names`": [
        "engine/test_fit::test_the_order_of_a_history",
        f"{HERE}::test_the_order_of_several_outputs",
        "parity/purpose::history_has_the_order_of_compile",
        "parity/purpose::metrics_as_a_string",
    ],
    "A metric that is a function of yours": [f"{HERE}::test_a_function_of_targets_in_a_row"],
    "A metric object without a name": [f"{HERE}::test_metrics_of_one_class_and_auc_of_logits"],
    "Hinge losses refuse": [f"{HERE}::test_hinge_of_zeros_among_signs"],
    'With "mean_with_sample_weight"': [
        f"{HERE}::test_a_weight_for_all_and_losses_of_layers",
        "parity/purpose::a_weighted_mean_is_one",
    ],
    "`==` of variables": [f"{HERE}::test_equal_variables"],
    "StringLookup knows one number": [
        f"{HERE}::test_two_numbers_for_unknown_strings",
        "layers/test_preparing::test_adapting_takes_the_most_frequent",
    ],
    "`keras.ops` works on arrays": [f"{HERE}::test_ops_of_symbolic_tensors"],
    "Of several outputs": [
        f"{HERE}::test_losses_of_several_outputs",
        "models/test_several_outputs::test_class_weights_by_output",
    ],
    "An `Input((5,))` refuses": [
        f"{HERE}::test_rows_of_another_length",
        "models/test_open_lengths::test_without_an_input_the_first_length_fixes_nothing",
    ],
    "A model that begins at an inner tensor": [f"{HERE}::test_the_input_of_a_decoder"],
    "`summary()` counts": [f"{HERE}::test_parameters_after_training"],
    "`keras.distribution.DataParallel`": [
        "distribution/test_several_ranks::test_they_equal_one_process",
        "distribution/test_by_threads::test_local_statistics_are_each_ranks_own_and_averaged_after_"
        "the_epoch",
    ],
    "One model may be used from several threads": [
        "engine/test_threads::test_every_prediction_during_fit_is_of_one_step",
        "engine/test_threads::test_a_second_fit_at_once_is_refused",
        "engine/test_threads::test_mixed_calls_on_one_model_while_another_one_trains",
    ],
    "`evaluate` and `test_on_batch` within a hook": [
        f"{HERE}::test_evaluate_in_a_hook",
        "engine/test_hooks_measure::test_logs_and_weights_are_those_of_a_run_without",
    ],
    "Data, sample weights and `set_weights` beyond": [
        "engine/test_silence::test_what_overflows_in_the_cast_is_refused",
        "engine/test_silence::test_weights_beyond_the_dtype_are_refused",
        "engine/test_silence::test_a_class_weight_that_matches_no_class_is_refused",
        f"{HERE}::test_what_trains_wrongly_without_a_word",
        "engine/test_silence::test_ftrl_survives_a_schedule_that_ends_at_zero",
    ],
    "Class weights need one class per row": [
        "engine/test_silence::test_soft_labels_are_rounded_for_their_class_weight",
        "engine/test_silence::test_class_weights_with_targets_that_are_no_classes",
        "engine/test_silence::test_class_weights_need_one_class_per_row",
    ],
    "Names of metrics (": [f"{HERE}::test_accuracy_of_logits"],
    "The `call` of a layer or model": [
        "models/test_held_layers::test_lists_changed_in_place_and_attributes_replaced",
        "models/test_held_layers::test_a_model_with_arithmetic_says_what_is_missing",
        f"{MORE}::test_a_holder_of_another_dtype",
    ],
    "A layer that is applied inside of two other layers": [
        "models/test_held_layers::test_a_layer_inside_of_two_others",
        "models/test_pieces::test_a_layer_inside_of_several_others_has_the_sum_of_their_gradients",
        f"{MORE}::test_weights_of_a_model",
    ],
    "Freezing and thawing layers": [
        "optimizers/test_optimizer_changes::test_adam_by_hand_over_a_freeze_and_a_thaw",
        "optimizers/test_optimizer_changes::test_one_optimizer_for_two_models_in_turn",
    ],
    "`train_step` and `test_step` of a subclass": [
        "engine/test_methods_of_subclasses::test_what_keras_calls_is_called_or_refused",
        "engine/test_methods_of_subclasses::test_a_step_with_keras_arguments_says_what_it_gets",
    ],
    "Inputs and outputs are one": [f"{MORE}::test_structures_of_inputs_and_outputs"],
    "Padding is known within a model": [
        f"{MORE}::test_masks_of_layers_called_on_arrays",
        "layers/test_layer_use::test_a_mask_in_a_call_is_refused",
    ],
    "A failed first use": [
        "engine/test_first_use::test_nothing_is_left_of_a_failed_first_use",
        "engine/test_first_use::test_a_first_step_that_fails_has_changed_nothing",
        "configs/test_configs_of_own_classes::test_said_at_saving_time",
        f"{MORE}::test_plain_arguments_are_not_remembered",
    ],
    'On "cpu" and "gpu" products with zeros': [
        "engine/test_silence::test_find_nan_sees_weights_whose_input_is_zero",
    ],
    "Options that can't be meant": [
        f"{MORE}::test_options_that_can_not_be_meant",
        "configs/test_one_truth::test_what_follows_from_options_is_not_set_beside_them",
        "configs/test_one_truth::test_what_a_metrics_sums_are_made_by_stays",
    ],
    "The last line of a `Progbar`": [
        f"{MORE}::test_the_last_line_of_a_progbar",
        "core/test_keras_names::test_progbar_of_lists",
    ],
    "`compile` begins anew": [
        f"{MORE}::test_no_optimizer",
        "parity/purpose::compile_starts_anew",
        "parity/purpose::crossentropy_as_a_metric",
        "parity/purpose::every_optimizer_has_a_name",
    ],
    "`losses.CosineSimilarity` takes the last": [
        "losses/test_loss_functions::test_axis_is_the_last_one",
    ],
    "The slope of |w| at 0": ["parity/purpose::the_slope_of_abs_at_zero_is_zero"],
    "A layer with an `activity_regularizer`": [
        "parity/purpose::a_penalized_layer_is_not_shared",
        "parity/purpose::padding_that_reaches_the_loss",
        "saving/test_masks_in_files::test_other_operations_are_refused",
    ],
    "Files keep the options": [
        "parity/purpose::a_saved_loss_keeps_its_options",
        "parity/purpose::a_model_from_h5_trains_on",
        "parity/purpose::every_optimizer_fits_into_h5",
    ],
    "Averaged weights": [
        "parity/purpose::no_steps_leave_the_weights_alone",
        "parity/callback_purposes::a_fit_that_is_stopped_ends_with_the_average",
        "parity/callback_purposes::averaged_weights_train_on",
        "parity/callback_purposes::callbacks_begin_anew",
    ],
    "BackupAndRestore goes on": [
        "parity/callback_purposes::a_backup_knows_its_batch",
        "parity/callback_purposes::a_restored_epoch_is_used_once",
        "parity/callback_purposes::a_backup_has_the_weights_and_their_average",
        "parity/callback_purposes::a_backup_knows_its_place_in_the_data",
    ],
}


def entries():
    """The entries of README's list, each in one line."""
    text = (TESTS.parent / "README.md").read_text(encoding="utf-8").partition(SECTION)[2]
    listed = re.split(r"^- ", text.partition("\n\nAnd from")[0], flags=re.MULTILINE)
    return [" ".join(entry.split()) for entry in listed[1:]]


def test_every_entry_of_readme_has_tests():
    listed = entries()
    assert len(listed) > 30
    assert len(TESTED) == len(listed)
    for entry in listed:
        assert sum(entry.startswith(opening) for opening in TESTED) == 1, entry


@pytest.mark.parametrize("opening", TESTED)
def test_the_tests_are_there(opening):
    for name in TESTED[opening]:
        path, _, function = name.partition("::")
        tree = ast.parse((TESTS / f"{path}.py").read_text(encoding="utf-8"))
        assert function in [one.name for one in tree.body if isinstance(one, ast.FunctionDef)], name


def test_every_difference_on_purpose_is_in_readme():
    named = {name for names in TESTED.values() for name in names if name.startswith("parity/")}
    for file in ("purpose", "callback_purposes"):
        for one in ast.parse((TESTS / f"parity/{file}.py").read_text(encoding="utf-8")).body:
            if any(getattr(d, "id", "") == "purpose" for d in getattr(one, "decorator_list", ())):
                assert f"parity/{file}::{one.name}" in named


# ------------------------------------------------------------------------- both, side by side


def in_both(function):
    """What Keras gives, and what we give."""
    return function(keras), function(tinynet)


def one_layer(k, width=2, **options):
    return k.Sequential([k.layers.Input((width,)), k.layers.Dense(1, **options)])


def test_a_rate_that_was_read():
    def read(k):
        optimizer = k.optimizers.SGD(0.25)
        rate = optimizer.learning_rate
        optimizer.learning_rate = 0.5
        return float(rate)

    assert in_both(read) == (0.5, 0.25)


def test_sparsemax_and_a_row_of_padding():
    x = np.array([[1.0, 0.5, -1.0]], "float32")
    theirs, ours = in_both(lambda k: np.asarray(k.activations.sparsemax(x)))
    assert (theirs.sum(), ours.sum()) == (0.25, 1.0)

    def mean_of_padding(k):
        mean = k.layers.GlobalAveragePooling1D()
        return np.asarray(mean(np.ones((1, 3, 2), "float32"), mask=np.zeros((1, 3), bool)))

    assert np.isnan(mean_of_padding(keras)).all()
    model = tinynet.Sequential([
        tinynet.Input((3,)), tinynet.layers.Embedding(4, 2, mask_zero=True),
        tinynet.layers.GlobalAveragePooling1D(),
    ])  # fmt: skip
    assert (model(np.zeros((1, 3))) == 0).all()


def test_rms_normalization_along_another_axis():
    def scaled(k):
        layer = k.layers.RMSNormalization(axis=1)
        layer.build((None, 2, 2))
        layer.set_weights([np.array([1.0, 10.0], "float32")])
        return np.asarray(layer(np.ones((1, 2, 2), "float32")))

    theirs, ours = in_both(scaled)
    np.testing.assert_allclose(theirs, [[[1, 10], [1, 10]]], rtol=1e-5)
    np.testing.assert_allclose(ours, [[[1, 1], [10, 10]]], rtol=1e-5)


def test_the_order_of_several_outputs():
    def names_and_values(k):
        x = k.Input((3,))
        outputs = [k.layers.Dense(1, name=n, kernel_initializer="ones")(x) for n in ("b", "a")]
        model = k.Model(x, outputs)
        metrics = [["mape"], ["mae"]]
        model.compile(k.optimizers.SGD(0.0), "mse", metrics=metrics, run_eagerly=True)
        x, y = np.ones((4, 3)), [np.full((4, 1), 2.0), np.full((4, 1), 1.0)]  # outputs are 3
        history = list(model.fit(x, y, verbose=0).history)
        return history, model.metrics_names, model.evaluate(x, y, verbose=0)

    theirs, ours = in_both(names_and_values)
    names = ["loss", "b_loss", "a_loss", "b_mape", "a_mae"]
    assert ours == (names, names, [5, 1, 4, 50, 2])
    assert theirs[0] == sorted(names)
    assert theirs[1:] == (["loss", "compile_metrics", "b_loss", "a_loss"], [5, 1, 4, 2, 50])


def test_a_function_of_targets_in_a_row():
    def measured(k):
        def square(y, p):
            return (y - p) ** 2

        model = one_layer(k, 1, use_bias=False, kernel_initializer="ones")
        model.compile("sgd", "mse", metrics=[square], run_eagerly=True)
        return model.evaluate(np.array([[1.0], [2.0]]), np.array([1.0, 4.0]), verbose=0)[1]

    assert in_both(measured) == ((0 + 9 + 1 + 4) / 4, (0 + 4) / 2)


def test_metrics_of_one_class_and_auc_of_logits():
    theirs, ours = in_both(lambda k: [k.metrics.AUC().name for _ in range(2)])
    assert theirs[0] != theirs[1]
    assert ours == ["auc", "auc"]
    logits = np.array([0.0, 1.0]), np.array([-0.5, 1.5])
    assert float(keras.metrics.AUC()(*logits)) == 1.0
    with pytest.raises(ValueError, match="must be probabilities"):
        tinynet.metrics.AUC()(*logits)


def test_hinge_of_zeros_among_signs():
    y, p = np.array([-1.0, 1.0, 0.0]), np.full(3, 0.5)
    assert float(keras.losses.Hinge()(y, p)) == 1.0  # (1.5 + 0.5 + 1) / 3: 0 is no sign here
    y_of_a_batch = np.array([0.0, 1.0, 1.0])
    assert float(keras.losses.Hinge()(y_of_a_batch, p)) == pytest.approx(2.5 / 3)  # and here -1
    with pytest.raises(ValueError, match=r"row 2 holds 0\.0"):
        tinynet.losses.Hinge()(y, p)


def test_a_weight_for_all_and_losses_of_layers():
    def weighted(k):
        loss = k.losses.MeanSquaredError(reduction="mean_with_sample_weight")
        y, p = np.zeros((2, 1)), np.array([[1.0], [3.0]])
        return float(loss(y, p, sample_weight=2.0))

    assert in_both(weighted) == (10.0, 5.0)
    layer = tinynet.layers.Dense(1, kernel_regularizer="l2", kernel_initializer="ones")
    layer.build((None, 2))
    assert layer.losses == [pytest.approx(0.02)]
    assert type(layer.losses[0]) is float


def test_equal_variables():
    def found(k):
        v, w = (k.Variable(np.array([1.0, x])) for x in (2.0, 3.0))
        with pytest.raises(ValueError, match="ambiguous"):
            _ = v in [w, v]
        return np.asarray(v == w).tolist()

    assert in_both(found) == ([True, False], [True, False])


def test_two_numbers_for_unknown_strings():
    with pytest.raises(ValueError, match="num_oov_indices must be 0 or 1"):
        tinynet.layers.StringLookup(vocabulary=["a"], num_oov_indices=2)


def test_ops_of_symbolic_tensors():
    assert keras.ops.exp(keras.Input((2,))).shape == (None, 2)
    with pytest.raises(TypeError, match="holds no numbers yet"):
        tinynet.ops.exp(tinynet.Input((2,)))
    x = tinynet.Input((2,))
    model = tinynet.Model(x, 1 - x / 2)
    assert model(np.array([[1.0, 4.0]])).tolist() == [[0.5, -1.0]]


def test_losses_of_several_outputs():
    def names(k, twice, **options):
        x = k.Input((3,))
        a = k.layers.Dense(3, name="a")
        h = a(x)
        outputs = [h, a(h)] if twice else [h, k.layers.Dense(3, name="b")(x)]
        model = k.Model(x, outputs)
        model.compile("sgd", run_eagerly=True, **options)
        return list(model.fit(np.ones((2, 3)), [np.ones((2, 3))] * 2, verbose=0).history)

    assert names(keras, twice=True, loss=["mse", "mse"]) == ["a_loss", "loss"]
    assert names(tinynet, twice=True, loss=["mse", "mse"]) == ["loss", "a_loss", "a_loss_1"]
    assert names(tinynet, False, loss="mse", loss_weights=[1.0, 2.0]) == [
        "loss", "a_loss", "b_loss",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="must match the number of losses"):
        names(keras, False, loss="mse", loss_weights=[1.0, 2.0])


def test_rows_of_another_length():
    def predicted(k):
        layers = [k.layers.Input((5,)), k.layers.Embedding(9, 2), k.layers.GlobalMaxPooling1D()]
        return np.asarray(k.Sequential(layers)(np.ones((2, 7)))).shape

    assert predicted(keras) == (2, 2)
    with pytest.raises(ValueError, match=r"expects rows of shape \(5,\), received \(7,\)"):
        predicted(tinynet)


def test_the_input_of_a_decoder():
    def name(k):
        h = k.layers.Dense(3, name="h")(k.Input((4,), name="x"))
        return k.Model(h, k.layers.Dense(4)(h)).inputs[0].name

    theirs, ours = in_both(name)
    assert theirs != ours == "h_input"


def test_parameters_after_training():
    def total(k):
        model, said = one_layer(k), []
        model.compile("adam", "mse", run_eagerly=True)
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
        model.summary(print_fn=lambda line, **_: said.append(line))
        return int(re.search(r"Total params: (\d+)", "\n".join(said))[1])

    assert in_both(total) == (11, 3)  # Adam has two moments of each, the rate and the count


def test_evaluate_in_a_hook():
    model, x, y = one_layer(tinynet, kernel_initializer="ones"), np.ones((8, 2)), np.zeros((8, 1))
    model.compile(tinynet.optimizers.SGD(0.0), "mse")

    def look(batch, logs):
        assert model.evaluate(10 * x, y, verbose=0) == 400

    hook = tinynet.callbacks.LambdaCallback(on_train_batch_end=look)
    assert model.fit(x, y, 2, verbose=0, callbacks=[hook]).history["loss"] == [4.0]


def test_what_trains_wrongly_without_a_word():
    y, p = np.array([[0.0], [1.0]]), np.full((2, 1), np.nan)
    assert in_both(lambda k: float(k.metrics.BinaryAccuracy()(y, p))) == (0.5, 0.0)

    def fit(k):
        model = one_layer(k)
        model.compile("sgd", "mse", run_eagerly=True)
        return model.fit(np.ones((4, 2)), np.ones(4), class_weight={7: 2.0}, verbose=0)

    assert len(fit(keras).history["loss"]) == 1
    with pytest.raises(ValueError, match="there is no class 7"):
        fit(tinynet)


def test_accuracy_of_logits():
    def accuracy(k):
        model = one_layer(k, 1, kernel_initializer="ones")
        loss = k.losses.BinaryCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)
        return model.evaluate(np.array([[0.3], [-0.3]]), np.array([1, 0]), verbose=0)[1]

    assert in_both(accuracy) == (0.5, 1.0)
