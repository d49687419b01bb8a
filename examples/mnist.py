"""Train 784-300-200-100-10 on MNIST, watch it learn, look at what it gets wrong.

    python examples/mnist.py --epochs 20 --batch-size 128

Without MNIST and without a network it trains on the 2,000 images of it that come with tinynet.
"""

import argparse

import tinynet as keras


def load_images():
    """(train, valid, test): pairs of images scaled to [0, 1] and labels."""
    try:
        (x, y), (x_test, y_test) = keras.datasets.mnist.load_data()
    except OSError:
        print("No MNIST here, no network: training on the 2,000 images that come with tinynet.")
        (x, y), (x_test, y_test) = keras.datasets.mnist_small.load_data()
    scale = keras.utils.MinMaxScaler(axis=None).fit(x)  # the training set's range, for all three
    x, x_test = scale.transform(x), scale.transform(x_test)
    cut = len(x) * 11 // 12  # 55,000 of MNIST's 60,000
    return (x[:cut], y[:cut]), (x[cut:], y[cut:]), (x_test, y_test)


def build_model(image_shape):
    return keras.Sequential(
        [
            keras.layers.Flatten(input_shape=image_shape, name="Flatten"),
            keras.layers.Dense(300, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(200, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(100, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(10, activation="softmax", name="Output"),
        ]
    )


def main(**compile_options):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=1234)
    parser.add_argument("--no-plot", action="store_true", help="write no pictures")
    parser.add_argument("--film", action="store_true", help="write the training as mnist-film.html")
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    train, valid, test = load_images()
    model = build_model(train[0].shape[1:])
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        device=options.device,
        **compile_options,
    )
    model.summary()
    callbacks = [
        keras.callbacks.ReduceLROnPlateau("val_accuracy", factor=0.3, patience=2),
        keras.callbacks.EarlyStopping("val_accuracy", patience=6, restore_best_weights=True),
    ]
    if options.film:
        callbacks.append(keras.callbacks.Film(*train, "mnist-film.html"))
    history = model.fit(
        *train, options.batch_size, options.epochs, validation_data=valid, callbacks=callbacks
    )
    _, accuracy = model.evaluate(*test, batch_size=1000, verbose=0)
    if not options.no_plot:
        probabilities = model.predict(test[0], batch_size=1000, verbose=0)
        pictures = {
            "mnist-history.png": keras.plotting.plot_history(history),
            "mnist-errors.png": keras.plotting.misclassified(*test, probabilities),
        }
        for name, figure in pictures.items():
            figure.savefig(name, dpi=150)
            print(f"saved {name}")
    print(f"test accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
